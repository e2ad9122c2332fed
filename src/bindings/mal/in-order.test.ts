import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inOrder } from './in-order.js';

const gate = () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
};

describe('inOrder', () => {
  it('yields in order whatever is ready first, and never prepares more than its width ahead', async () => {
    const gates = Array.from({ length: 6 }, gate);
    let started = 0;
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of inOrder(gates.keys(), 3, async (i) => {
        started++;
        await gates[i]!.opened;
        return i;
      }))
        seen.push(item);
    })();
    gates[2]!.open();
    gates[1]!.open();
    await sleep(10);
    expect([started, seen]).toEqual([3, []]);
    gates[0]!.open();
    await sleep(10);
    expect([started, seen]).toEqual([6, [0, 1, 2]]);
    for (const { open } of gates) open();
    await reading;
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('yields an item before the source has another', async () => {
    const more = gate();
    async function* source() {
      yield 1;
      await more.opened;
    }
    for await (const item of inOrder(source(), 4, async (one) => one)) {
      expect(item).toBe(1);
      more.open();
    }
  });

  it('fails where a preparation or the source failed, after all before it', async () => {
    const run = async (source: Iterable<number>) => {
      const seen: number[] = [];
      try {
        for await (const item of inOrder(source, 2, async (i) => {
          if (i === 2) throw new Error('two');
          return i;
        }))
          seen.push(item);
        return { seen, error: null };
      } catch (error) {
        return { seen, error: (error as Error).message };
      }
    };
    function* broken() {
      yield 0;
      throw new Error('source');
    }
    expect(await run([0, 1, 2, 3])).toEqual({ seen: [0, 1], error: 'two' });
    expect(await run(broken())).toEqual({ seen: [0], error: 'source' });
  });

  it('gives back what was prepared for nothing', async () => {
    const discarded: number[] = [];
    for await (const _ of inOrder(
      [0, 1, 2, 3],
      4,
      async (i) => i,
      (i) => discarded.push(i),
    )) {
      await sleep(5);
      break;
    }
    await sleep(5);
    expect(discarded).toEqual([1, 2, 3]);
  });
});
