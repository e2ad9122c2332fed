import { type Kysely, sql } from 'kysely';
import { invalid } from '../mpd/index.js';
import type { Change, ChangeKind, FollowRequest, FollowResult } from './backend.js';
import type { Waker } from './waker.js';

/** An index whose rows carry the number of their last change, given in commit order. */
export interface NumberedIndex<Row extends { readonly seq: bigint }> {
  /** The newest number; null while the first reading of the system behind it is not complete. */
  newest(): Promise<bigint | null>;
  /** Rows with a number above `since`, ascending, at most `limit`. */
  read(since: bigint, limit: number): Promise<readonly Row[]>;
  change(row: Row, since: bigint): Change;
}

/** Tables that hold such an index for each backend, by their columns `backend` and `seq`. */
export interface NumberedTables<Tables> {
  /** One row a backend; `seq` is the newest number, and the column `complete` is null until the first complete reading. */
  readonly state: keyof Tables & string;
  readonly complete: string;
  readonly rows: keyof Tables & string;
}

export const numberedTables = <Row, Tables>(
  db: Kysely<Tables>,
  backend: string,
  { state, complete, rows }: NumberedTables<Tables>,
): Pick<NumberedIndex<Row & { readonly seq: bigint }>, 'newest' | 'read'> => ({
  async newest() {
    const found = await sql<{ readonly seq: bigint }>`
      select seq from ${sql.table(state)} where backend = ${backend} and ${sql.ref(complete)} is not null`.execute(db);
    return found.rows[0]?.seq ?? null;
  },
  read: (since, limit) => rowsAfter(db, rows, backend, since, limit),
});

/** Rows of a backend with a number above `since`, ascending. */
export async function rowsAfter<Row, Tables>(
  db: Kysely<Tables>,
  table: keyof Tables & string,
  backend: string,
  since: bigint,
  limit: number,
): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`
    select * from ${sql.table(table)} where backend = ${backend} and seq > ${since} order by seq limit ${limit}`.execute(
    db,
  );
  return rows;
}

/** Numbers of a product's last changes, by what they were. */
interface Numbered {
  readonly born_seq: bigint;
  readonly content_seq: bigint;
  /** Published again on purpose, where that is told. */
  readonly again_seq?: bigint;
}

/** What happened to a product after `since`. */
export function kindSince(
  { born_seq, content_seq, again_seq }: Numbered,
  since: bigint,
): Exclude<ChangeKind, 'removed'> {
  if (born_seq > since) return 'new';
  if (content_seq > since) return 'updated';
  return again_seq !== undefined && again_seq > since ? 'republished' : 'touched';
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
