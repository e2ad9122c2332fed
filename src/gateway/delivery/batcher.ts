import { setTimeout as sleep } from 'node:timers/promises';

/** Collects items while a write is under way and writes them all in the next one: one transaction for many. */
export interface Batcher<Item, Answer> {
  add(item: Item): Promise<Answer>;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

/**
 * @param write answers index by index; when it fails, all items of that batch fail
 * @param gatherMs how long to wait for more while many come: never for one that comes alone
 */
export function createBatcher<Item, Answer>(
  write: (items: readonly Item[]) => Promise<readonly Answer[]>,
  limit: number,
  gatherMs = 0,
): Batcher<Item, Answer> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let running: Promise<void> | null = null;

  async function drain(): Promise<void> {
    // What finishes in the same turn belongs together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let last = 1; waiting.length > 0; ) {
      if (gatherMs > 0 && last > 1 && waiting.length < limit) await sleep(gatherMs);
      const batch = waiting.splice(0, limit);
      last = batch.length;
      try {
        const answers = await write(batch.map(({ item }) => item));
        for (const [i, { resolve }] of batch.entries()) resolve(answers[i]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    // In the same turn as the last look: what is added after it begins anew.
    running = null;
  }

  return {
    add: (item) =>
      new Promise<Answer>((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        running ??= drain();
      }),
    async idle() {
      while (running !== null) await running;
    },
  };
}
