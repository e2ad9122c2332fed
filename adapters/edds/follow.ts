import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { invalid } from '../../src/mpd/index.js';
import { type EntryContext, entryOf, type ProductRow, refOf } from './entry.js';
import type { EddsTables } from './tables.js';
import type { Waker } from './waker.js';

const BATCH = 500;
/** Wake-ups come by NOTIFY; this is for those that get lost. */
const POLL_MS = 1000;
const QUIET_MS = 10_000;

/** Changes behind the cursor, which is a change number; each product once, with what it is now. */
export async function followProducts(
  db: Kysely<EddsTables>,
  backend: string,
  context: EntryContext,
  { cursor }: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> {
  if (cursor === null) {
    for (;;) {
      signal.throwIfAborted();
      const state = await db
        .selectFrom('edds_state')
        .select(['seq', 'read_at'])
        .where('backend', '=', backend)
        .executeTakeFirst();
      if (state?.read_at) return { changes: [], cursor: String(state.seq) };
      await waker.wait(POLL_MS / 4, signal);
    }
  }
  if (!/^\d{1,19}$/.test(cursor)) throw invalid('cursor', 'no cursor of this EDDS');
  const state = await db.selectFrom('edds_state').select('seq').where('backend', '=', backend).executeTakeFirst();
  // An index that was made anew counts from the start: everything is told again, which does no harm.
  const since = BigInt(cursor) > (state?.seq ?? 0n) ? 0n : BigInt(cursor);
  const end = performance.now() + QUIET_MS;
  for (;;) {
    signal.throwIfAborted();
    const rows: ProductRow[] = await db
      .selectFrom('edds_product')
      .selectAll()
      .where('backend', '=', backend)
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    const last = rows.at(-1);
    if (last !== undefined)
      return { changes: rows.map((row) => changeOf(context, row, since)), cursor: String(last.seq) };
    const left = end - performance.now();
    if (left <= 0) return { changes: [], cursor: String(since) };
    await waker.wait(Math.min(POLL_MS, left), signal);
  }
}

function changeOf(context: EntryContext, row: ProductRow, since: bigint): Change {
  if (row.kind === 'removed') return { kind: 'removed', ref: refOf(context, row) };
  const kind = row.born_seq > since ? 'new' : row.content_seq > since ? 'updated' : 'touched';
  return { kind, entry: entryOf(context, row) };
}
