import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.js';
import { createBatcher } from './batcher.js';
import { createSlots } from './slots.js';

describe('slots', () => {
  it('give one row to each target in turn, whatever the order they are named in', () => {
    const slots = createSlots<string>(4, 2);
    const shares = slots.share(['a', 'b', 'c'], () => 2);
    expect(shares.reduce((sum, { n }) => sum + n, 0)).toBe(4);
    expect(shares.map(({ n }) => n).sort()).toEqual([1, 1, 2]);
  });

  it('run no more than so many of one target, and all others meanwhile', () => {
    const slots = createSlots<string>(4, 2);
    for (const item of ['a1', 'a2', 'a3', 'a4', 'b1']) slots.wait(item[0]!, item);
    const running = [];
    for (let item = slots.take(() => 2); item !== null; item = slots.take(() => 2)) running.push(item);
    expect(running.sort()).toEqual(['a1', 'a2', 'b1']);
    slots.done('a', 1000);
    expect(slots.take(() => 2)).toBe('a3');
    expect(slots.take(() => 2)).toBeNull();
    expect(slots.drain()).toEqual(['a4']);
  });

  it('ask for nothing when full, and ahead of time only where deliveries are quick', () => {
    const slots = createSlots<number>(2, 2);
    slots.wait('a', 1);
    slots.wait('a', 2);
    expect([slots.take(() => 2), slots.take(() => 2)]).toEqual([1, 2]);
    expect(slots.room()).toBe(0);
    for (let i = 0; i < 20; i++) {
      slots.done('a', 5);
      slots.wait('a', i);
      slots.take(() => 2);
    }
    expect(slots.room()).toBe(1);
    expect(slots.share(['a'], () => 2)[0]!.n).toBeGreaterThan(2);
    expect(slots.share(['a'], () => 1)).toEqual([]);
  });
});

describe('backoffMs', () => {
  it('doubles up to the longest, less up to half by chance', () => {
    const limits = { firstMs: 100, longestMs: 1000 };
    expect([1, 2, 3, 4, 5, 500].map((n) => backoffMs(n, limits, () => 0))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffMs(2, limits, () => 0.999)).toBe(100);
  });
});

describe('a batcher', () => {
  it('writes together what comes while it writes, and answers each its own', async () => {
    const batches: number[][] = [];
    let release: () => void = () => undefined;
    const batcher = createBatcher<number, string>(async (items) => {
      batches.push([...items]);
      if (batches.length === 1)
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      return items.map((item) => `w${item}`);
    }, 3);
    const first = batcher.add(0);
    await expect.poll(() => batches.length).toBe(1);
    const rest = [1, 2, 3, 4].map((item) => batcher.add(item));
    release();
    expect(await Promise.all([first, ...rest])).toEqual(['w0', 'w1', 'w2', 'w3', 'w4']);
    expect(batches).toEqual([[0], [1, 2, 3], [4]]);
    await batcher.idle();
  });

  it('gathers while many come, and never lets one that comes alone wait', async () => {
    const batches: number[] = [];
    const hour = 3_600_000;
    const write = async (items: readonly number[]) => {
      batches.push(items.length);
      return items;
    };
    const alone = createBatcher<number, number>(write, 10, hour);
    // One after the other, each as soon as the one before was written.
    for (const n of [1, 2, 3]) expect(await alone.add(n)).toBe(n);
    const many = createBatcher<number, number>(write, 10, 20);
    const started = [1, 2, 3].map((n) => many.add(n).then(() => many.add(n)));
    await Promise.all(started);
    await many.idle();
    expect(batches).toEqual([1, 1, 1, 3, 3]);
    // A full batch waits for nothing.
    const full = createBatcher<number, number>(write, 2, hour);
    await Promise.all([1, 2, 3, 4].map((n) => full.add(n)));
    expect(batches.slice(5)).toEqual([2, 2]);
  });

  it('fails the batch that failed and goes on', async () => {
    const batcher = createBatcher<number, number>(async (items) => {
      if (items.includes(1)) throw new Error('store lost');
      return items;
    }, 1);
    const [bad, good] = [batcher.add(1), batcher.add(2)];
    await expect(bad).rejects.toThrow('store lost');
    expect(await good).toBe(2);
  });
});
