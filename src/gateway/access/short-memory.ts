/** Answers that are remembered for a short while; asked for by many at once, they are looked up once. */
export interface ShortMemory<T> {
  /** The remembered answer of a key, else what `look` finds; a failure is not remembered. */
  get(key: string, look: () => Promise<Found<T>>): Promise<T>;
  /** Forgets all, also what is being looked up now: who asks after this gets an answer found after this. */
  clear(): void;
}

export interface Found<T> {
  readonly value: T;
  /** How long it may be remembered, from when it was asked for; at most as long as the memory holds. */
  readonly holdMs: number;
}

interface Held<T> {
  readonly answer: Promise<T>;
  /** In ms of `now`; Infinity while it is being looked up. */
  until: number;
}

/** @param options.most answers held at once */
export function createShortMemory<T>(options: {
  readonly holdMs: number;
  readonly most: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}): ShortMemory<T> {
  const { holdMs, most, now = () => performance.now() } = options;
  const held = new Map<string, Held<T>>();
  return {
    get(key, look) {
      const known = held.get(key);
      if (known !== undefined && known.until > now()) return known.answer;
      const asked = now();
      const entry: Held<T> = {
        answer: look().then(
          (found) => {
            entry.until = asked + Math.min(holdMs, found.holdMs);
            return found.value;
          },
          (error) => {
            if (held.get(key) === entry) held.delete(key);
            throw error;
          },
        ),
        until: Number.POSITIVE_INFINITY,
      };
      // In the order they came; the oldest goes first.
      held.delete(key);
      held.set(key, entry);
      if (held.size > most) held.delete(held.keys().next().value!);
      return entry.answer;
    },
    clear: () => held.clear(),
  };
}
