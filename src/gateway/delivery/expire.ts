import { type Kysely, sql } from 'kysely';
import { withRetry } from '../../store/index.js';
import { appendEvents } from '../events/append.js';
import type { CoreTables } from '../schema.js';
import type { PauseKey } from './pauses.js';

const BATCH = 500;

/** Waiting rows behind something that is down and whose deadline has passed become dead letters, with their event. */
export async function expireWaiting(db: Kysely<CoreTables>, key: PauseKey, reason: string): Promise<number> {
  const [kind, value] = key.split(/ (.*)/s) as [string, string];
  const concerned = {
    target: sql`d.target = ${value}`,
    backend: sql`exists (select from journal j where j.id = d.journal_id and j.backend = ${value})`,
  }[kind as 'target' | 'backend'];
  let expired = 0;
  for (;;) {
    const count = await withRetry(db, async (tx) => {
      const { rows } = await sql<Expired>`
        with due as (
          select d.id from delivery d join standing_order o on o.id = d.order_id
          where d.state in ('queued', 'sending') and d.deadline_at <= now() and (d.until is null or d.until <= now()) and ${concerned}
          limit ${BATCH} for update of d skip locked)
        update delivery d set state = 'dead', error_class = 'target-down', cause = ${`not reachable until the deadline: ${reason}`},
          owner = null, until = null, epoch = d.epoch + 1, updated_at = now()
        from due, standing_order o where d.id = due.id and o.id = d.order_id
        returning d.id, d.order_id, d.journal_id, d.domain, d.key, d.filename, d.round, d.cause, o.owner, o.deliver_to`.execute(
        tx,
      );
      await appendEvents(
        tx,
        rows.map((row) => ({
          type: 'failed',
          orderId: row.order_id,
          owner: row.owner,
          domain: row.domain,
          journalId: row.journal_id,
          deliveryId: row.id,
          payload: {
            key: row.key,
            filename: row.filename,
            deliveredTo: row.deliver_to,
            success: false,
            reason: row.cause,
            errorClass: 'target-down',
            round: row.round,
          },
        })),
      );
      await finishOnce(tx, [...new Set(rows.map((row) => row.order_id))]);
      return rows.length;
    });
    expired += count;
    if (count < BATCH) return expired;
  }
}

interface Expired {
  readonly id: bigint;
  readonly order_id: bigint;
  readonly journal_id: bigint;
  readonly domain: string;
  readonly key: string;
  readonly filename: string | null;
  readonly round: number;
  readonly cause: string;
  readonly owner: string;
  readonly deliver_to: string;
}

/**
 * Orders of kind `once` among these are done when all their rows have ended. They are locked first, in a statement of its own:
 * of two workers that end the last rows at the same time the later one then sees what the other did.
 */
export async function finishOnce(tx: Kysely<CoreTables>, orders: readonly bigint[]): Promise<void> {
  if (orders.length === 0) return;
  const once = await tx
    .selectFrom('standing_order')
    .select('id')
    .where('id', 'in', orders)
    .where('kind', '=', 'once')
    .where('state', '=', 'active')
    .orderBy('id')
    .forUpdate()
    .execute();
  if (once.length === 0) return;
  await sql`
    update standing_order o set state = 'done', updated_at = now()
    where o.id in (${sql.join(once.map((row) => row.id))}) and not exists (
      select from delivery d where d.order_id = o.id and d.state in ('matched', 'queued', 'sending', 'landed', 'verified'))`.execute(
    tx,
  );
}
