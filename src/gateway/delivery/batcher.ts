/** Collects items while a write is under way and writes them all in the next one: one transaction for many. */
export interface Batcher<Item, Answer> {
  add(item: Item): Promise<Answer>;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

/** @param write answers index by index; when it fails, all items of that batch fail */
export function createBatcher<Item, Answer>(
  write: (items: readonly Item[]) => Promise<readonly Answer[]>,
  limit: number,
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
    while (waiting.length > 0) {
      const batch = waiting.splice(0, limit);
      try {
        const answers = await write(batch.map(({ item }) => item));
        for (const [i, { resolve }] of batch.entries()) resolve(answers[i]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  return {
    add: (item) =>
      new Promise<Answer>((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        running ??= drain().finally(() => {
          running = null;
        });
      }),
    async idle() {
      while (running !== null) await running;
    },
  };
}
