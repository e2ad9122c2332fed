import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeliveryBench, deliveryBench } from '../../src/gateway/delivery/testing.js';
import { fileTarget } from '../../src/targets/file/index.js';
import { CRASH_CONTENT } from './delivery-crash-content.js';

describe('kill -9 of a worker', () => {
  let bench: DeliveryBench;
  beforeEach(async () => {
    bench = await deliveryBench({ target: (root) => fileTarget([root]) });
    const order = await bench.order();
    await bench.queue(order, ...CRASH_CONTENT.map(([key, text]) => bench.backend.put(key, text)));
  });
  afterEach(() => bench.close());

  const run = (crashAt?: string) =>
    new Promise<{ readonly code: number | null; readonly signal: string | null; readonly errors: string }>(
      (resolve, reject) => {
        const script = fileURLToPath(new URL('delivery-crash.test-process.ts', import.meta.url));
        const child = spawn(process.execPath, ['--import', 'tsx', script, bench.store.url, bench.root], {
          stdio: ['ignore', 'ignore', 'pipe'],
          env: { ...process.env, ...(crashAt !== undefined && { MPD_GATEWAY_CRASH_AT: crashAt }) },
        });
        let errors = '';
        child.stderr.on('data', (chunk) => {
          errors += chunk;
        });
        child.on('error', reject).on('exit', (code, signal) => resolve({ code, signal, errors }));
      },
    );
  const inodes = async () => {
    const names = Object.keys(await bench.files()).filter((name) => !name.startsWith('.'));
    const stats = await Promise.all(names.map((name) => stat(join(bench.root, 'in', name))));
    return new Map(names.map((name, i) => [name, stats[i]!.ino]));
  };

  it.each(['after-lease:1', 'after-send:5', 'after-rename:1', 'after-landed:1', 'before-final:4', 'after-final:7'])(
    'at %s: nothing lost, nothing told twice, no file written twice, no partial file',
    async (point) => {
      expect(await run(point)).toMatchObject({ signal: 'SIGKILL' });
      const contents: Readonly<Record<string, string>> = Object.fromEntries(CRASH_CONTENT);
      for (const [name, text] of Object.entries(await bench.files()))
        if (!name.startsWith('.mpd-')) expect([name, text]).toEqual([name, contents[name]]);
      const before = await inodes();
      expect(await run()).toEqual({ code: 0, signal: null, errors: expect.any(String) });
      expect(await bench.files()).toEqual(contents);
      const after = await inodes();
      for (const [name, inode] of before) expect([name, after.get(name)]).toEqual([name, inode]);
      expect((await bench.ledger()).map((row) => row.state)).toEqual(CRASH_CONTENT.map(() => 'notified'));
      const told = (await bench.events()).filter((event) => event.type === 'delivered');
      expect(told.map((event) => event.payload.key).sort()).toEqual(CRASH_CONTENT.map(([key]) => key).sort());
      const paths = await bench.store.db.selectFrom('target_path').select(['revision', 'until']).execute();
      expect(paths.filter((path) => path.revision === '' || path.until !== null)).toEqual([]);
    },
  );

  it('three times in a row at different places', async () => {
    for (const point of ['after-rename:2', 'after-landed:3', 'after-send:2'])
      expect(await run(point)).toMatchObject({ signal: 'SIGKILL' });
    expect(await run()).toMatchObject({ code: 0 });
    expect(await bench.files()).toEqual(Object.fromEntries(CRASH_CONTENT));
    expect((await bench.events()).filter((event) => event.type === 'delivered')).toHaveLength(CRASH_CONTENT.length);
  });
});
