/** Bytes that may be held in memory at a time; who asks for more waits in line. */
export interface Budget {
  /** @returns what gives the bytes back. Throws the signal's reason */
  take(bytes: number, signal: AbortSignal): Promise<() => void>;
  readonly taken: number;
}

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/** First come, first served; a single request above the whole is granted when nothing else is held. */
export function createBudget(bytes: number): Budget {
  const line: Waiting[] = [];
  let taken = 0;

  function serve(): void {
    for (let first = line[0]; first !== undefined; first = line[0]) {
      if (taken > 0 && taken + first.bytes > bytes) return;
      line.shift();
      taken += first.bytes;
      first.grant();
    }
  }

  return {
    take(wanted, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const abort = (): void => {
          line.splice(line.indexOf(waiting), 1);
          reject(signal.reason);
          serve();
        };
        const waiting: Waiting = {
          bytes: wanted,
          grant: () => {
            signal.removeEventListener('abort', abort);
            let held = true;
            resolve(() => {
              if (!held) return;
              held = false;
              taken -= wanted;
              serve();
            });
          },
        };
        signal.addEventListener('abort', abort);
        line.push(waiting);
        serve();
      });
    },
    get taken() {
      return taken;
    },
  };
}
