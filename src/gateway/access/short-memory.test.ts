import { describe, expect, it } from 'vitest';
import { createShortMemory } from './short-memory.js';

const setup = (most = 10) => {
  let at = 0;
  let looks = 0;
  const memory = createShortMemory<number>({ holdMs: 1000, most, now: () => at });
  const look = async () => ({ value: ++looks, holdMs: Number.POSITIVE_INFINITY });
  return { memory, look, looks: () => looks, pass: (ms: number) => (at += ms) };
};

describe('an answer remembered for a short while', () => {
  it('is looked up once for all who ask at the same time and until it is too old', async () => {
    const { memory, look, pass } = setup();
    expect(await Promise.all([memory.get('a', look), memory.get('a', look)])).toEqual([1, 1]);
    pass(999);
    expect(await memory.get('a', look)).toBe(1);
    pass(1);
    expect(await memory.get('a', look)).toBe(2);
  });

  it('counts its age from when it was asked for, not from when it came', async () => {
    const { memory, look, pass } = setup();
    await memory.get('a', async () => {
      pass(600);
      return look();
    });
    pass(400);
    expect(await memory.get('a', look)).toBe(2);
  });

  it('is held no longer than the finder says', async () => {
    const { memory, look, pass } = setup();
    await memory.get('a', async () => ({ value: 0, holdMs: 10 }));
    pass(10);
    expect(await memory.get('a', look)).toBe(1);
  });

  it('is not remembered when it is a failure', async () => {
    const { memory, look } = setup();
    await expect(memory.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await memory.get('a', look)).toBe(1);
  });

  it('is forgotten at once, also when it is still being looked up', async () => {
    const { memory, look } = setup();
    let answer = (_: number): void => undefined;
    const slow = memory.get(
      'a',
      () => new Promise((resolve) => (answer = (value) => resolve({ value, holdMs: 1000 }))),
    );
    memory.clear();
    expect(await memory.get('a', look)).toBe(1);
    answer(99);
    expect(await slow).toBe(99);
    expect(await memory.get('a', look)).toBe(1);
  });

  it('makes place for others', async () => {
    const { memory, look } = setup(2);
    for (const key of ['a', 'b', 'c']) await memory.get(key, look);
    expect(await memory.get('c', look)).toBe(3);
    expect(await memory.get('a', look)).toBe(4);
  });
});
