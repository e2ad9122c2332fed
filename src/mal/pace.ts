import { setImmediate } from 'node:timers/promises';

/** Longest time that one piece of work keeps everything else waiting. */
const TURN_MS = 10;

/** Long work in turns: other work gets its own in between. */
export interface Pace {
  /** Whether this turn has lasted long enough. Costs little, still not for every step of the smallest. */
  over(): boolean;
  /** Lets everything else that is ready go first. */
  rest(): Promise<void>;
}

export function createPace(turnMs = TURN_MS): Pace {
  let start = performance.now();
  return {
    over: () => performance.now() - start > turnMs,
    async rest() {
      await setImmediate();
      start = performance.now();
    },
  };
}
