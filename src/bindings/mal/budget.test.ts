import { describe, expect, it } from 'vitest';
import { createBudget } from './budget.js';

const { signal } = new AbortController();

describe('a budget of bytes', () => {
  it('lets wait who asks for more than is left, first come first served', async () => {
    const budget = createBudget(100);
    const granted: string[] = [];
    const take = (name: string, bytes: number) =>
      budget.take(bytes, signal).then((release) => {
        granted.push(name);
        return release;
      });
    const first = await take('a', 60);
    const second = take('b', 60);
    const third = take('c', 10);
    await Promise.resolve();
    expect([granted, budget.taken]).toEqual([['a'], 60]);
    first();
    first();
    (await second)();
    (await third)();
    expect([granted, budget.taken]).toEqual([['a', 'b', 'c'], 0]);
  });

  it('grants more than the whole only when nothing else is held', async () => {
    const budget = createBudget(100);
    const small = await budget.take(1, signal);
    let got = false;
    const large = budget.take(500, signal).then((release) => {
      got = true;
      return release;
    });
    await Promise.resolve();
    expect(got).toBe(false);
    small();
    (await large)();
    expect(budget.taken).toBe(0);
  });

  it('forgets who gives up, and serves the next', async () => {
    const budget = createBudget(100);
    const held = await budget.take(90, signal);
    const control = new AbortController();
    const leaving = budget.take(80, control.signal);
    const next = budget.take(10, signal);
    control.abort(new Error('left'));
    await expect(leaving).rejects.toThrow('left');
    (await next)();
    held();
    await expect(budget.take(1, control.signal)).rejects.toThrow('left');
    expect(budget.taken).toBe(0);
  });
});
