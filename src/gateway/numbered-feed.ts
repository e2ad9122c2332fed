import { invalid } from '../mpd/index.js';
import type { Change, FollowRequest, FollowResult } from './backend.js';
import type { Waker } from './waker.js';

/** An index whose rows carry the number of their last change, given in commit order. */
export interface NumberedIndex<Row extends { readonly seq: bigint }> {
  /** The newest number; null while the first reading of the system behind it is not complete. */
  newest(): Promise<bigint | null>;
  /** Rows with a number above `since`, ascending, at most `limit`. */
  read(since: bigint, limit: number): Promise<readonly Row[]>;
  change(row: Row, since: bigint): Change;
}

const BATCH = 2000;
/** Wake-ups come by NOTIFY; this is for those that get lost. */
const POLL_MS = 1000;
const QUIET_MS = 10_000;

/** `Backend.follow` over such an index: the cursor is a change number, each product comes once, with what it is now. */
export async function followNumbered<Row extends { readonly seq: bigint }>(
  index: NumberedIndex<Row>,
  { cursor }: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> {
  if (cursor === null) {
    for (;;) {
      signal.throwIfAborted();
      const newest = await index.newest();
      if (newest !== null) return { changes: [], cursor: String(newest) };
      await waker.wait(POLL_MS / 4, signal);
    }
  }
  if (!/^\d{1,19}$/.test(cursor)) throw invalid('cursor', 'no cursor of this backend');
  // An index that was made anew counts from the start: everything is told again, which does no harm.
  const since = BigInt(cursor) > ((await index.newest()) ?? 0n) ? 0n : BigInt(cursor);
  const end = performance.now() + QUIET_MS;
  for (;;) {
    signal.throwIfAborted();
    const rows = await index.read(since, BATCH);
    const last = rows.at(-1);
    if (last) return { changes: rows.map((row) => index.change(row, since)), cursor: String(last.seq) };
    const left = end - performance.now();
    if (left <= 0) return { changes: [], cursor: String(since) };
    await waker.wait(Math.min(POLL_MS, left), signal);
  }
}
