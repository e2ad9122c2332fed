import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliveryFailed, MpdError } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import { type FaultyBench, faultyBench } from './testing-faults.js';

describe('delivery', () => {
  let bench: FaultyBench;
  beforeEach(async () => {
    bench = await faultyBench((root) => fileTarget([root]));
  });
  afterEach(() => bench.close());

  describe('a failing target', () => {
    it('is tried again after errors that pass, and the log keeps every attempt', async () => {
      let calls = 0;
      bench.faults.put = async (...args) => {
        if (++calls < 3) throw deliveryFailed('connection reset', 'retry');
        return bench.target.put(...args);
      };
      const [id] = await bench.queue(await bench.order(), bench.backend.put('k', 'x'));
      bench.workers();
      await bench.settled(['notified']);
      const { attempts, cause, log } = await bench.deliveries.get(id!, bench.alice);
      expect({ attempts, cause }).toEqual({ attempts: 3, cause: null });
      expect(log.map((entry) => entry.error)).toEqual(['connection reset', 'connection reset', null]);
    });

    it('ends as a dead letter at once when the request is at fault, with its event, and is redriven', async () => {
      bench.faults.put = async () => {
        throw deliveryFailed('a directory of that name is in the way', 'refuse');
      };
      const order = await bench.order();
      const [id] = await bench.queue(order, bench.backend.put('k', 'x'));
      bench.workers();
      await bench.settled(['dead']);
      expect((await bench.eventsOf('failed')).map((event) => event.payload)).toEqual([
        {
          key: 'k',
          filename: 'k',
          deliveredTo: expect.stringMatching(/^file:/),
          success: false,
          reason: 'a directory of that name is in the way',
          errorClass: 'refuse',
          round: 0,
        },
      ]);
      delete bench.faults.put;
      expect(await bench.deliveries.redrive(order, 'dead', bench.alice)).toBe(1);
      await bench.settled(['notified']);
      expect(await bench.deliveries.redrive(order, [id!], bench.alice)).toBe(0);
    });

    it('ends as a dead letter at the deadline, which progress moves', async () => {
      let sent = 0;
      bench.faults.put = async (_uri, _name, _body, options) => {
        if (sent < 5) options.progress?.(++sent);
        throw deliveryFailed('the line dropped', 'retry');
      };
      await bench.queue(await bench.order({ deadline_s: 1 }), bench.backend.put('k', '123456'));
      const before = Date.now();
      bench.workers({ retryFirstMs: 300, retryLongestMs: 300 });
      await bench.settled(['dead'], 20_000);
      const [row] = await bench.ledger();
      expect(row).toMatchObject({ error_class: 'retry', cause: 'the line dropped' });
      // Five attempts got further than those before, each with a whole second before it.
      expect(Date.now() - before).toBeGreaterThan(1_500);
      expect(row!.attempts).toBeGreaterThan(5);
    });

    it('waits as long as it was told', async () => {
      let calls = 0;
      bench.faults.put = async (...args) => {
        if (calls++ === 0)
          throw new MpdError('Delivery Failed', { class: 'retryAfter', message: 'slow down', retryAfterMs: 400 });
        return bench.target.put(...args);
      };
      const [id] = await bench.queue(await bench.order(), bench.backend.put('k', 'x'));
      bench.workers();
      await bench.settled(['notified']);
      const { log } = await bench.deliveries.get(id!, bench.alice);
      expect(log[1]!.startedAt - log[0]!.endedAt!).toBeGreaterThanOrEqual(390_000_000n);
    });

    it('that is down is left alone until its probe succeeds; no row burns its attempts', async () => {
      let down = true;
      let puts = 0;
      let probes = 0;
      bench.faults.put = async (...args) => {
        puts++;
        if (down) throw deliveryFailed('no space left on the target', 'target-down');
        return bench.target.put(...args);
      };
      bench.faults.probe = async () => {
        if (++probes >= 3) down = false;
        return down ? { status: 'notYet', reason: 'still full' } : { status: 'ok' };
      };
      const order = await bench.order();
      await bench.queue(order, ...Array.from({ length: 20 }, (_, i) => bench.backend.put(`k${i}`, 'x')));
      const workers = bench.workers();
      await expect.poll(() => workers.paused()).toHaveLength(1);
      await bench.settled(Array(20).fill('notified'));
      expect(puts).toBeLessThanOrEqual(20 + 2 * 2);
      expect((await bench.ledger()).map((row) => row.attempts)).toEqual(Array(20).fill(1));
      expect(workers.paused()).toEqual([]);
    });

    it('that stays down lets rows die at their deadline, with the reason', async () => {
      bench.faults.put = async () => {
        throw deliveryFailed('host unreachable', 'target-down');
      };
      bench.faults.probe = async () => ({ status: 'notYet', reason: 'no answer' });
      await bench.queue(await bench.order({ deadline_s: 1 }), bench.backend.put('a', 'x'), bench.backend.put('b', 'x'));
      bench.workers();
      await bench.settled(['dead', 'dead']);
      const causes = (await bench.ledger()).map((row) => row.cause);
      expect(causes).toEqual(Array(2).fill('not reachable until the deadline: no answer'));
      expect(await bench.eventsOf('failed')).toHaveLength(2);
    });
  });

  it('a target whose probe succeeds and whose transfers do not is given up at the deadline', async () => {
    let puts = 0;
    bench.faults.put = async () => {
      puts++;
      throw deliveryFailed('no space left for so much', 'target-down');
    };
    await bench.queue(await bench.order({ deadline_s: 1 }), bench.backend.put('k', 'x'));
    bench.workers({ retryFirstMs: 50, retryLongestMs: 200 });
    await bench.settled(['dead']);
    expect(await bench.ledger()).toMatchObject([{ error_class: 'target-down', cause: 'no space left for so much' }]);
    expect(puts).toBeGreaterThan(1);
    expect(await bench.eventsOf('failed')).toHaveLength(1);
  });

  it('a target that does not leave off when it is told is abandoned, and its row given back', async () => {
    bench.faults.put = () => new Promise(() => undefined);
    await bench.queue(await bench.order(), bench.backend.put('k', 'x'));
    const workers = bench.workers({ leaseMs: 600_000, leaveMs: 50 });
    await expect.poll(() => workers.running()).toBe(1);
    await workers.stop({ graceMs: 10 });
    expect(await bench.ledger()).toMatchObject([{ state: 'queued', owner: null }]);
  });

  it('one dead target of ten with a large backlog holds up nobody else', async () => {
    bench.faults.put = async (uri, ...args) => {
      if (!uri.pathname.endsWith('/dead')) return bench.target.put(uri, ...args);
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw deliveryFailed('timed out', 'target-down');
    };
    bench.faults.probe = async () => ({ status: 'notYet', reason: 'timed out' });
    const dead = await bench.order({ deliver_to: await bench.folder('dead') });
    await bench.queue(dead, ...Array.from({ length: 500 }, (_, i) => bench.backend.put(`d${i}`, 'x')));
    for (let t = 0; t < 9; t++) {
      const order = await bench.order({ deliver_to: await bench.folder(`t${t}`) });
      await bench.queue(order, bench.backend.put(`a${t}`, 'x'), bench.backend.put(`b${t}`, 'x'));
    }
    bench.workers();
    await expect
      .poll(async () => (await bench.states()).filter((state) => state === 'notified').length, { timeout: 20_000 })
      .toBe(18);
    expect((await bench.ledger()).filter((row) => row.attempts > 0)).toHaveLength(18);
  });
});
