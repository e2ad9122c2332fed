import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { invalid } from '../../src/mpd/index.js';
import { entryOf, type FileRow, refOf } from './entry.js';
import type { ArchiveTables } from './tables.js';
import type { Waker } from './waker.js';

const BATCH = 500;
/** Wake-ups come by NOTIFY; this is for those that get lost. */
const POLL_MS = 1000;
const QUIET_MS = 10_000;

/** Changes behind the cursor, which is a change number; each file once, with what it is now. */
export async function followFiles(
  db: Kysely<ArchiveTables>,
  backend: string,
  mapper: ProductMapper,
  { cursor }: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> {
  if (cursor === null) return { changes: [], cursor: String(await firstScan(db, backend, waker, signal)) };
  if (!/^\d{1,19}$/.test(cursor)) throw invalid('cursor', 'no cursor of this archive');
  let since = BigInt(cursor);
  const state = await db.selectFrom('archive_state').select('seq').where('backend', '=', backend).executeTakeFirst();
  // An index that was made anew counts from the start: everything is told again, which does no harm.
  if (since > (state?.seq ?? 0n)) since = 0n;
  const end = performance.now() + QUIET_MS;
  for (;;) {
    signal.throwIfAborted();
    const rows: FileRow[] = await db
      .selectFrom('archive_file')
      .selectAll()
      .where('backend', '=', backend)
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    const last = rows.at(-1);
    if (last !== undefined) return { changes: changesOf(rows, since, mapper), cursor: String(last.seq) };
    const left = end - performance.now();
    if (left <= 0) return { changes: [], cursor: String(since) };
    await waker.wait(Math.min(POLL_MS, left), signal);
  }
}

async function firstScan(
  db: Kysely<ArchiveTables>,
  backend: string,
  waker: Waker,
  signal: AbortSignal,
): Promise<bigint> {
  for (;;) {
    signal.throwIfAborted();
    const state = await db
      .selectFrom('archive_state')
      .select(['seq', 'scanned_at'])
      .where('backend', '=', backend)
      .executeTakeFirst();
    if (state?.scanned_at) return state.seq;
    await waker.wait(POLL_MS / 4, signal);
  }
}

const changesOf = (rows: readonly FileRow[], since: bigint, mapper: ProductMapper): readonly Change[] =>
  rows.map((row): Change => {
    if (row.kind !== 'product') return { kind: 'removed', ref: refOf(row) };
    const kind = row.born_seq > since ? 'new' : row.content_seq > since ? 'updated' : 'touched';
    return { kind, entry: entryOf(row, mapper) };
  });
