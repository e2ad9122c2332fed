import { type Kysely, type Selectable, sql } from 'kysely';
import { withRetry } from '../../store/index.js';
import { enqueueAndTell, type Match } from '../changes/enqueue.js';
import { matchOf } from '../changes/match.js';
import type { BackfillTable, CoreTables } from '../schema.js';
import { type EntryColumns, entryOf } from '../values.js';
import { loadLiveOrder } from './live.js';

type Row = EntryColumns & { readonly id: bigint };

const CHUNK = 500;

/**
 * Does one chunk of the oldest backfill or replay that waits: walks the journal in its window, writes ledger rows for what
 * matches, remembers where it was, in one transaction. False when none waits.
 */
export const runBackfillChunk = (db: Kysely<CoreTables>): Promise<boolean> =>
  withRetry(db, async (tx) => {
    const job = await tx
      .selectFrom('backfill')
      .selectAll()
      .where('state', '=', 'running')
      .orderBy('id')
      .limit(1)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (!job) return false;
    const order = await loadLiveOrder(tx, job.order_id);
    if (!order || order.state === 'cancelled') {
      await tx.updateTable('backfill').set({ state: 'done' }).where('id', '=', job.id).execute();
      return true;
    }
    const rows = await readWindow(tx, job);
    const matches: Match[] = [];
    for (const row of rows) {
      if (order.matches(entryOf(row))) matches.push(matchOf(order, row.id));
    }
    const written = await enqueueAndTell(tx, matches, job.again ? 'always' : 'never');
    await tx
      .updateTable('backfill')
      .set({
        after_id: rows.at(-1)?.id ?? job.after_id,
        matched: job.matched + BigInt(written),
        state: rows.length < CHUNK ? 'done' : 'running',
      })
      .where('id', '=', job.id)
      .execute();
    return true;
  });

/** What the backend still holds, in journal order. */
async function readWindow(tx: Kysely<CoreTables>, job: Selectable<BackfillTable>): Promise<readonly Row[]> {
  const { axis, from_ns: from, to_ns: to } = job;
  const [start, end] = {
    available: [sql.ref('ready_ns'), sql.ref('ready_ns')],
    created: [sql.ref('created_ns'), sql.ref('created_ns')],
    content: [sql.ref('content_start_ns'), sql.ref('content_end_ns')],
  }[axis] as [ReturnType<typeof sql.ref>, ReturnType<typeof sql.ref>];
  const { rows } = await sql<Row>`
    select id, metadata, revision, updated_ns, path, file_name, claim_algorithm, claim_value,
      made_for, joined_by
    from journal
    where current and removed_at is null and id > ${job.after_id}
      ${to === null ? sql`` : sql`and ${start} <= ${to}`} ${from === null ? sql`` : sql`and ${end} >= ${from}`}
    order by id limit ${CHUNK}`.execute(tx);
  return rows;
}
