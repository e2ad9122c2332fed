/** Something happened since: told at most once, never missed between looking and waiting. */
export interface Wake {
  wake(): void;
  count(): number;
  /** Resolves at the next wake, at once when there was one since `count` was read, after `ms`, or at the signal. */
  wait(since: number, ms: number, signal?: AbortSignal): Promise<void>;
}

export function createWake(): Wake {
  let count = 0;
  const sleepers = new Set<() => void>();
  return {
    wake() {
      count++;
      for (const sleeper of sleepers) sleeper();
    },
    count: () => count,
    wait(since, ms, signal) {
      if (count !== since || signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          sleepers.delete(end);
          signal?.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        sleepers.add(end);
        signal?.addEventListener('abort', end);
      });
    },
  };
}
