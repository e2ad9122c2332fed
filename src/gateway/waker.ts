/** Lets many wait for the next wake-up. */
export interface Waker {
  wake(): void;
  /** Resolves at the next wake-up, after `ms`, or when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWaker(): Waker {
  const waiting = new Set<() => void>();
  return {
    wake() {
      for (const resume of [...waiting]) resume();
    },
    wait(ms, signal) {
      return new Promise((resolve) => {
        const resume = (): void => {
          clearTimeout(timer);
          waiting.delete(resume);
          signal.removeEventListener('abort', resume);
          resolve();
        };
        const timer = setTimeout(resume, ms);
        waiting.add(resume);
        signal.addEventListener('abort', resume, { once: true });
        if (signal.aborted) resume();
      });
    },
  };
}
