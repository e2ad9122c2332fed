/** Pauses between attempts, ms. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Doubles with each attempt up to the longest, less up to half of it by chance, so that rows do not return together. */
export function backoffMs(attempt: number, { firstMs, longestMs }: Backoff, random: () => number): number {
  const full = Math.min(firstMs * 2 ** Math.min(attempt - 1, 40), longestMs);
  return Math.round(full * (1 - random() / 2));
}
