/** A small seeded generator (mulberry32): the same seed gives the same run of choices. */
export interface Random {
  /** 0 ≤ x < 1 */
  next(): number;
  /** A whole number, min ≤ x ≤ max. */
  between(min: number, max: number): number;
  pick<T>(choices: readonly T[]): T;
}

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return { next, between, pick: (choices) => choices[between(0, choices.length - 1)]! };
}
