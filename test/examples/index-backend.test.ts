import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { BackendDependencies } from '../../src/gateway/backend.js';
import { formatTime } from '../../src/mal/index.js';
import { loadAdapter } from '../../src/modules.js';
import { backendConformance, type ProductHints } from '../conformance/index.js';
import { testGateway } from '../gateway.js';

const MODULE = join(import.meta.dirname, '../../docs/examples/index-backend.js');
const ENTRY = { id: 'listed', kind: 'module', module: MODULE };

/** A list of products and the files it names, written as the example asks for. */
function listing(folder: string) {
  const index = join(folder, 'products.json');
  const records = new Map<string, Record<string, unknown>>();
  let count = 0;
  const write = () => {
    writeFileSync(`${index}.new`, JSON.stringify([...records.values()]));
    renameSync(`${index}.new`, index);
  };
  write();
  return {
    index,
    put(key: string, bytes: Uint8Array, { created, content, source }: ProductHints = {}) {
      const file = `body-${count++}`;
      writeFileSync(join(folder, file), bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const before = records.get(key);
      const at = formatTime(created ?? 1_700_000_000_000_000_000n);
      const window = content && { start: formatTime(content.start), end: formatTime(content.end) };
      records.set(key, {
        key,
        type: 'Example',
        file,
        sha256,
        created: at,
        source,
        ...window,
        ...(before?.sha256 === sha256 && { file: before.file }),
      });
      write();
    },
    describe(key: string, description: string) {
      records.set(key, { ...records.get(key), description });
      write();
    },
    remove(key: string) {
      records.delete(key);
      write();
    },
  };
}

backendConformance('docs/examples/index-backend.js', {
  async create() {
    const folder = mkdtempSync(join(tmpdir(), 'mpd-example-'));
    const list = listing(folder);
    const dependencies = { log: pino({ level: 'silent' }) } as unknown as BackendDependencies;
    const { createBackend } = await loadAdapter(ENTRY);
    const start = () => createBackend({ id: 'listed', domain: ['example'], index: list.index }, dependencies);
    let backend = await start();
    let touched = 0;
    return {
      get backend() {
        return backend;
      },
      put: async (key, bytes, hints) => list.put(key, bytes, hints),
      remove: async (key) => list.remove(key),
      touch: async (key) => list.describe(key, `touched ${touched++}`),
      async outage() {
        renameSync(list.index, `${list.index}.away`);
        return async () => renameSync(`${list.index}.away`, list.index);
      },
      async restart(meanwhile) {
        await backend.close();
        await meanwhile();
        backend = await start();
        return backend;
      },
      async close() {
        await backend.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
});

it('a module from outside the tree is configured, listed, and delivered from', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mpd-example-'));
  const list = listing(folder);
  list.put('one.txt', Buffer.from('the first'));
  const gateway = await testGateway({ config: { backends: [{ ...ENTRY, domain: ['example'], index: list.index }] } });
  try {
    const { gateway: core, operator } = gateway;
    const to = join(gateway.delivered, 'here');
    mkdirSync(to);
    const [found] = await core.catalogue.listBounded(
      { filter: { domain: ['example', '*'] }, created: null, content: null },
      10,
      new AbortController().signal,
      operator,
    );
    expect(found?.metadata.productRef.key).toBe('one.txt');
    const { files } = await core.deliveries.deliverFiles(
      [found!.metadata.productRef],
      pathToFileURL(to).href,
      operator,
      new AbortController().signal,
    );
    for await (const file of files)
      expect(file).toMatchObject({ success: true, delivery: { sourceCheck: 'ok', targetCheck: 'verified' } });
    expect(readFileSync(join(to, 'one.txt'), 'utf8')).toBe('the first');
  } finally {
    await gateway.close();
    rmSync(folder, { recursive: true });
  }
});
