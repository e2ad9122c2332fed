/** Lets so many through at once; the others wait in line. */
export interface Gate {
  run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result>;
  readonly busy: number;
  readonly waiting: number;
}

export function gate(limit: number): Gate {
  const queue: (() => void)[] = [];
  let busy = 0;
  return {
    async run(work, signal) {
      if (busy >= limit) {
        await new Promise<void>((resolve, reject) => {
          const enter = (): void => {
            signal?.removeEventListener('abort', leave);
            resolve();
          };
          const leave = (): void => {
            const at = queue.indexOf(enter);
            if (at >= 0) queue.splice(at, 1);
            reject(signal!.reason);
          };
          if (signal?.aborted) return reject(signal.reason);
          signal?.addEventListener('abort', leave, { once: true });
          queue.push(enter);
        });
      } else busy++;
      try {
        return await work();
      } finally {
        const next = queue.shift();
        // A waiting one takes the place over, so that no other can slip in between.
        if (next !== undefined) next();
        else busy--;
      }
    },
    get busy() {
      return busy;
    },
    get waiting() {
      return queue.length;
    },
  };
}
