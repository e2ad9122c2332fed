/** Products of the crash tests, the same in parent and child. */
export const CRASH_CONTENT: readonly (readonly [key: string, text: string])[] = Array.from({ length: 12 }, (_, i) => [
  `k${i}`,
  `content of ${i}, ${'x'.repeat(i * 1000)}`,
]);

/** Short: the next process waits for it. */
export const CRASH_LEASE_MS = 700;
