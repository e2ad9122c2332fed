import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Publication } from '../../gateway/api.js';
import { createSentLog } from './sent.js';

describe('what was sent, on its way into the ledger', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const sent = (id: number, subscribers: number, tooLarge: string | null = null, round = 0): Publication => ({
    ...{ deliveryId: BigInt(id), round, subscribers, tooLarge },
  });

  function start() {
    const written: Publication[][] = [];
    const warnings: unknown[] = [];
    const state = { busy: false, failing: false };
    const log = createSentLog({
      record: async (batch) => {
        if (state.failing) throw new Error('no database');
        written.push([...batch]);
      },
      busy: () => state.busy,
      log: { warn: (...args: unknown[]) => void warnings.push(args) },
    });
    return { log, written, warnings, state };
  }

  it('goes in batches, what belongs to one row together', async () => {
    const { log, written } = start();
    for (const each of [sent(1, 2), sent(2, 1, 'large'), sent(1, 3), sent(2, 1), sent(3, 1, 'large')]) log.add(each);
    log.add(sent(4, 9));
    log.add(sent(4, 1, null, 1));
    log.add(sent(4, 9));
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(written).toEqual([[sent(1, 5), sent(2, 2), sent(3, 1, 'large'), sent(4, 1, null, 1)]]);
    for (let id = 0; id < 4500; id++) log.add(sent(id, 1));
    await vi.advanceTimersByTimeAsync(1000);
    expect(written.slice(1).map((batch) => batch.length)).toEqual([2000, 2000, 500]);
  });

  it('waits while publishing is busy, but not for ever, nor for very much', async () => {
    const { log, written, state } = start();
    state.busy = true;
    log.add(sent(1, 1));
    await vi.advanceTimersByTimeAsync(500);
    expect(written).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(written).toEqual([[sent(1, 1)]]);
    for (let id = 0; id < 20_000; id++) log.add(sent(id, 1));
    await vi.advanceTimersByTimeAsync(200);
    expect(written.slice(1).flat()).toHaveLength(20_000);
  });

  it('is kept while the store is away, and publishing waits when that is very much', async () => {
    const { log, written, warnings, state } = start();
    state.failing = true;
    for (let id = 0; id < 100_000; id++) log.add(sent(id, 1));
    let room = false;
    const waiting = log.room().then(() => {
      room = true;
    });
    await vi.advanceTimersByTimeAsync(5000);
    expect(room).toBe(false);
    expect(warnings.length).toBeGreaterThan(1);
    state.failing = false;
    await vi.advanceTimersByTimeAsync(2000);
    await waiting;
    expect(written.flat()).toHaveLength(100_000);
    expect(new Set(written.flat().map(({ subscribers }) => subscribers))).toEqual(new Set([1]));
  });

  it('is written before the end, as far as it can be', async () => {
    const { log, written } = start();
    log.add(sent(1, 1));
    await log.stop();
    expect(written).toEqual([[sent(1, 1)]]);
    const broken = start();
    broken.state.failing = true;
    broken.log.add(sent(1, 1));
    await broken.log.stop();
    expect(broken.warnings).toHaveLength(1);
  });
});
