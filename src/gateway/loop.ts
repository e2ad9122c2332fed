import type { Logger } from 'pino';

export interface Loop {
  /** Runs the work soon instead of at the end of the pause. */
  wake(): void;
  /** Resolves when the work under way has ended. */
  stop(): Promise<void>;
}

/** Does `work` again and again: at once while it answers true (there is more), else after `pauseMs` or a wake-up. */
export function startLoop(
  name: string,
  pauseMs: number,
  log: Logger,
  work: (signal: AbortSignal) => Promise<boolean>,
): Loop {
  const stopping = new AbortController();
  let woken = false;
  let wake = () => {
    woken = true;
  };
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        woken = true;
        clearTimeout(timer);
        resolve();
      };
      if (woken || stopping.signal.aborted) wake();
    });
  const run = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      woken = false;
      try {
        if (await work(stopping.signal)) continue;
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) break;
        failures += 1;
        log.warn({ err: error, loop: name }, 'a background task failed and is tried again');
      }
      await pause(failures === 0 ? pauseMs : Math.min(Math.max(pauseMs, 1000) * 2 ** failures, 60_000));
    }
  };
  const running = run();
  return {
    wake: () => wake(),
    stop: async () => {
      stopping.abort();
      wake();
      await running;
    },
  };
}
