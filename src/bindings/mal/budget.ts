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

  const fits = (wanted: number): boolean => taken === 0 || taken + wanted <= bytes;

  function hold(wanted: number): () => void {
    taken += wanted;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken -= wanted;
      serve();
    };
  }

  function serve(): void {
    for (let first = line[0]; first !== undefined; first = line[0]) {
      if (!fits(first.bytes)) return;
      line.shift();
      first.grant();
    }
  }

  return {
    async take(wanted, signal) {
      signal.throwIfAborted();
      if (line.length === 0 && fits(wanted)) return hold(wanted);
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          line.splice(line.indexOf(waiting), 1);
          reject(signal.reason);
          serve();
        };
        const waiting: Waiting = {
          bytes: wanted,
          grant: () => {
            signal.removeEventListener('abort', abort);
            resolve(hold(wanted));
          },
        };
        signal.addEventListener('abort', abort);
        line.push(waiting);
      });
    },
    get taken() {
      return taken;
    },
  };
}
