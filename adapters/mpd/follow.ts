import type { Kysely } from 'kysely';
import type { Change, Checksum, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { invalid } from '../../src/mpd/index.js';
import { entryOf, type ProductRow, refOf } from './entry.js';
import type { MpdTables } from './tables.js';
import type { Waker } from './waker.js';

const BATCH = 500;
/** Wake-ups come by NOTIFY; this is for those that get lost. */
const POLL_MS = 1000;
const QUIET_MS = 10_000;

/** Changes behind the cursor, which is a change number; each product once, with what it is now. */
export async function followProducts(
  db: Kysely<MpdTables>,
  backend: string,
  algorithm: Checksum['algorithm'] | null,
  { cursor }: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> {
  const state = () =>
    db.selectFrom('mpd_state').select(['seq', 'read_at']).where('backend', '=', backend).executeTakeFirst();
  if (cursor === null) {
    for (;;) {
      signal.throwIfAborted();
      const now = await state();
      if (now?.read_at) return { changes: [], cursor: String(now.seq) };
      await waker.wait(POLL_MS / 4, signal);
    }
  }
  if (!/^\d{1,19}$/.test(cursor)) throw invalid('cursor', 'no cursor of this provider');
  // An index that was made anew counts from the start: everything is told again, which does no harm.
  const since = BigInt(cursor) > ((await state())?.seq ?? 0n) ? 0n : BigInt(cursor);
  const end = performance.now() + QUIET_MS;
  for (;;) {
    signal.throwIfAborted();
    const rows: ProductRow[] = await db
      .selectFrom('mpd_product')
      .selectAll()
      .where('backend', '=', backend)
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    const last = rows.at(-1);
    if (last !== undefined)
      return { changes: rows.map((row) => changeOf(row, since, algorithm)), cursor: String(last.seq) };
    const left = end - performance.now();
    if (left <= 0) return { changes: [], cursor: String(since) };
    await waker.wait(Math.min(POLL_MS, left), signal);
  }
}

function changeOf(row: ProductRow, since: bigint, algorithm: Checksum['algorithm'] | null): Change {
  if (row.removed_at !== null) return { kind: 'removed', ref: refOf(row) };
  const kind =
    row.born_seq > since
      ? 'new'
      : row.content_seq > since
        ? 'updated'
        : row.again_seq > since
          ? 'republished'
          : 'touched';
  return { kind, entry: entryOf(row, algorithm) };
}
