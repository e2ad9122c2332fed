import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliveryFailed, MpdError } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import { type FaultyBench, faultyBench, md5, stalledBody, textBody } from './testing-faults.js';

describe('delivery', () => {
  let bench: FaultyBench;
  beforeEach(async () => {
    bench = await faultyBench((root) => fileTarget([root]));
  });
  afterEach(() => bench.close());

  describe('a source that claims a checksum its bytes do not have', () => {
    it('is delivered and flagged', async () => {
      await bench.queue(await bench.order(), bench.backend.put('k', 'x', { claim: md5('y') }));
      bench.workers();
      await bench.settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ source_check: 'mismatch', target_check: 'verified' }]);
    });

    it('is held when the order says so, never visible, until it is redriven', async () => {
      const order = await bench.order({ on_bad_source: 'hold' });
      const [id] = await bench.queue(order, bench.backend.put('k', 'x', { claim: md5('y') }));
      bench.workers();
      await bench.settled(['dead']);
      const [row] = await bench.ledger();
      expect(row).toMatchObject({ error_class: 'held', source_check: 'mismatch' });
      expect(row!.cause).toContain(Buffer.from(md5('x').value).toString('hex'));
      expect(row!.cause).toContain(Buffer.from(md5('y').value).toString('hex'));
      expect(await bench.files()).toEqual({});
      expect(await bench.deliveries.redrive(order, [id!], bench.alice)).toBe(1);
      await bench.settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ source_check: 'mismatch' }]);
      expect(await bench.files()).toEqual({ k: 'x' });
    });
  });

  it('a body that its target never began to read is let go', async () => {
    const open = bench.backend.open;
    let ended = 0;
    bench.backend.open = async (...args) => {
      const body = await open.call(bench.backend, ...args);
      const stream: AsyncIterableIterator<Uint8Array> = {
        [Symbol.asyncIterator]: () => stream,
        next: async () => ({ done: true, value: undefined }),
        return: async () => {
          ended += 1;
          return { done: true, value: undefined };
        },
      };
      return { ...body, stream };
    };
    bench.faults.put = async () => {
      throw deliveryFailed('no room before the first byte', 'fatal');
    };
    await bench.queue(await bench.order(), bench.backend.put('k', 'x'));
    bench.workers();
    await bench.settled(['dead']);
    expect(ended).toBe(1);
  });

  it('a source that fails half way leaves nothing and is tried again', async () => {
    const entry = bench.backend.put('k', 'content');
    let calls = 0;
    bench.faults.open = async () => {
      if (++calls > 2) return textBody(entry.revision, 'content');
      return {
        ...textBody(entry.revision, 'content'),
        stream: (async function* () {
          yield new TextEncoder().encode('cont');
          if (calls === 1) throw new Error('reset');
        })(),
      };
    };
    const [id] = await bench.queue(await bench.order(), entry);
    bench.workers();
    await bench.settled(['notified']);
    const { log } = await bench.deliveries.get(id!, bench.alice);
    expect(log.map((entry) => entry.error)).toEqual([
      'the source failed: reset',
      expect.stringMatching(/announced 7 bytes and sent 4/),
      null,
    ]);
    expect(await bench.files()).toEqual({ k: 'content' });
  });

  it('a source that says nothing more is broken off', async () => {
    const entry = bench.backend.put('k', 'content');
    let calls = 0;
    bench.faults.open = async () => {
      if (++calls > 1) return textBody(entry.revision, 'content');
      return stalledBody(entry.revision, 'content').open();
    };
    const [id] = await bench.queue(await bench.order(), entry);
    bench.workers({ stallMs: 200 });
    await bench.settled(['notified']);
    const { log } = await bench.deliveries.get(id!, bench.alice);
    expect(log[0]!.error).toMatch(/nothing moved/);
  });

  it('a backend that is down is left alone until it answers; products of others go on', async () => {
    let down = true;
    let opens = 0;
    bench.faults.open = async (ref, options) => {
      if (!ref.key.startsWith('k')) return textBody(options.revision!, 'x');
      opens++;
      if (down) throw new MpdError('Internal', { class: 'target-down', message: 'the index does not answer' });
      return textBody(options.revision!, 'x');
    };
    bench.faults.check = async () => ({ ok: !down, reason: down ? 'no answer' : 'it answers' });
    const order = await bench.order();
    await bench.queue(order, ...Array.from({ length: 30 }, (_, i) => bench.backend.put(`k${i}`, 'x')));
    const workers = bench.workers();
    await expect.poll(() => workers.paused(), { timeout: 5_000 }).toMatchObject([{ key: 'backend memory' }]);
    expect(opens).toBeLessThanOrEqual(4);
    await bench.queue(order, bench.backend.put('other', 'x'));
    down = false;
    await bench.settled(Array(31).fill('notified'));
    expect((await bench.ledger()).map((row) => row.attempts)).toEqual(Array(31).fill(1));
  });
});
