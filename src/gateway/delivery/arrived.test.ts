import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileTarget } from '../../targets/file/index.js';
import type { Placement } from '../placement.js';
import type { DeliveryTarget } from '../target.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

/** A backend whose system writes to targets itself: whole is what ends with a full stop. */
const byItself: Placement = {
  kind: 'backend',
  async check(stream) {
    let text = '';
    for await (const chunk of stream) text += Buffer.from(chunk).toString();
    return text.endsWith('.') ? null : `it ends after ${text.length} characters`;
  },
};

describe('files that the backend sends by itself', () => {
  let bench: DeliveryBench;
  let backend: MemoryBackend;
  let placement: Placement;
  let puts: number;

  const start = async (change: (target: DeliveryTarget) => Partial<DeliveryTarget> = () => ({})) => {
    placement = byItself;
    puts = 0;
    backend = { ...memoryBackend(), placement: async () => placement };
    bench = await deliveryBench({
      backend,
      target: (root) => {
        const target = fileTarget([root]);
        const put: DeliveryTarget['put'] = (...args) => {
          puts++;
          return target.put(...args);
        };
        return { ...target, put, ...change(target) };
      },
    });
  };
  beforeEach(() => start());
  afterEach(() => bench.close());

  const row = async () => (await bench.ledger())[0]!;
  const reaches = (state: string) => expect.poll(async () => (await row()).state, { timeout: 20_000 }).toBe(state);
  const detail = async () => bench.deliveries.get((await row()).id, bench.alice);
  const place = async (name: string, text: string) => {
    await writeFile(join(bench.root, 'in', `.${name}`), text);
    await rename(join(bench.root, 'in', `.${name}`), join(bench.root, 'in', name));
  };

  it('are read where they lie, never sent, and told with size, hash and location', async () => {
    const order = await bench.order();
    await place('a.txt', 'whole.');
    await bench.queue(order, backend.put('a.txt', 'whole.'));
    bench.workers();
    await reaches('notified');
    const sha256 = createHash('sha256').update('whole.').digest('hex');
    expect(await detail()).toMatchObject({
      ...{ state: 'notified', bytes: 6n, checksum: sha256, targetCheck: 'complete', sourceCheck: 'none' },
      location: expect.stringMatching(/^file:.*\/in\/a\.txt$/),
      log: [{ bytes: 6n, checksum: sha256, error: null }],
    });
    expect(puts).toBe(0);
    expect(await bench.files()).toEqual({ 'a.txt': 'whole.' });
  });

  it('are waited for when they come late', async () => {
    const order = await bench.order();
    await bench.queue(order, backend.put('a.txt', 'late.'));
    bench.workers();
    await expect.poll(async () => (await row()).attempts).toBeGreaterThan(1);
    expect(await row()).toMatchObject({
      cause: 'a.txt is not there; memory sends it by itself',
      error_class: 'retry',
    });
    await place('a.txt', 'late.');
    await reaches('notified');
    expect(puts).toBe(0);
  });

  it('that never come are dead at the deadline, with the reason', async () => {
    const order = await bench.order({ deadline_s: 1 });
    await bench.queue(order, backend.put('a.txt', 'never.'));
    bench.workers();
    await reaches('dead');
    expect(await row()).toMatchObject({ cause: 'a.txt is not there; memory sends it by itself', error_class: 'retry' });
    expect((await bench.events()).filter(({ type }) => type === 'failed')).toHaveLength(1);
    expect(puts).toBe(0);
  });

  it('that are cut off are tried again, then dead with where they end', async () => {
    const order = await bench.order({ deadline_s: 1 });
    await place('a.txt', 'cut o');
    await bench.queue(order, backend.put('a.txt', 'cut off.'));
    bench.workers();
    await reaches('dead');
    expect(await row()).toMatchObject({
      cause: 'a.txt, which memory sends by itself, is not whole: it ends after 5 characters',
      target_check: null,
    });
    expect((await row()).attempts).toBeGreaterThan(1);
    expect(await bench.files()).toEqual({ 'a.txt': 'cut o' });
  });

  it('are sent by the gateway once the backend leaves it to it, and the attempt says why', async () => {
    const order = await bench.order();
    await bench.queue(order, backend.put('a.txt', 'fallen back.'));
    bench.workers();
    await expect.poll(async () => (await row()).attempts).toBeGreaterThan(0);
    placement = { kind: 'gateway', reason: 'the gateway sends: no route to host' };
    await reaches('notified');
    const { log, targetCheck } = await detail();
    expect(targetCheck).toBe('verified');
    expect(log.at(-1)).toMatchObject({ error: 'the gateway sends: no route to host', errorClass: null });
    expect(puts).toBe(1);
    expect(await bench.files()).toEqual({ 'a.txt': 'fallen back.' });
  });

  it('cannot be judged at a target that cannot be read: dead at once, with the reason', async () => {
    await bench.close();
    await start(() => ({ read: undefined }) as unknown as Partial<DeliveryTarget>);
    const order = await bench.order();
    await bench.queue(order, backend.put('a.txt', 'x.'));
    bench.workers();
    await reaches('dead');
    expect((await row()).cause).toBe('memory sends a.txt by itself, and what lies at this target cannot be read');
  });
});
