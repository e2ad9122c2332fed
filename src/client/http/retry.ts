import { setTimeout as sleep } from 'node:timers/promises';
import { MpdError } from '../../mpd/index.js';

/** Waits before trying again, longer each time, at most half a minute; a server's own wish counts. */
export async function pause(attempt: number, error: unknown, signal?: AbortSignal): Promise<void> {
  const backoff = Math.min(30_000, 200 * 2 ** attempt) * (0.5 + Math.random() / 2);
  const wished = error instanceof MpdError ? (error.retryAfterMs ?? 0) : 0;
  await sleep(Math.max(backoff, wished), undefined, signal === undefined ? {} : { signal });
}

/** Whether the same again may help. `lost`: also when the server cannot be reached, where something was under way. */
export const mayHelp = (error: unknown, lost: boolean): boolean =>
  error instanceof MpdError &&
  (error.class === 'retry' || error.class === 'retryAfter' || (lost && error.code === 'Destination Unknown'));

/** Runs what may be run twice until it succeeds, fails for good, or has been tried `retries` times more. */
export async function retrying<T>(work: () => Promise<T>, retries: number, signal?: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= retries || !mayHelp(error, false)) throw error;
      await pause(attempt, error, signal);
    }
  }
}
