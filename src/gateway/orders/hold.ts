import { type Kysely, sql } from 'kysely';
import { DELIVERY_CHANNEL } from '../changes/enqueue.js';
import type { CoreTables } from '../schema.js';

/** Queued rows wait (`matched`) until {@link releaseHeld}; a transfer under way ends as it will. */
export async function holdQueued(tx: Kysely<CoreTables>, orders: readonly bigint[]): Promise<void> {
  if (orders.length === 0) return;
  await tx
    .updateTable('delivery')
    .set({ state: 'matched', updated_at: sql<Date>`now()` })
    .where('order_id', 'in', orders)
    .where('state', '=', 'queued')
    .execute();
}

/** Held rows into the queue, each with its order's whole deadline before it. */
export async function releaseHeld(tx: Kysely<CoreTables>, orders: readonly bigint[]): Promise<void> {
  if (orders.length === 0) return;
  await sql`
    update delivery d set state = 'queued', next_at = now(), deadline_at = now() + make_interval(secs => o.deadline_s),
      updated_at = now()
    from standing_order o
    where o.id = d.order_id and d.order_id in (${sql.join(orders)}) and d.state = 'matched'`.execute(tx);
  await sql`select pg_notify(${DELIVERY_CHANNEL}, '')`.execute(tx);
}

/** What was not sent yet ends `withdrawn`; a worker on it is fenced off by the raised epoch. */
export async function withdrawPending(tx: Kysely<CoreTables>, order: bigint, cause: string): Promise<void> {
  await sql`
    update delivery set state = 'withdrawn', cause = ${cause}, owner = null, until = null, epoch = epoch + 1, updated_at = now()
    where order_id = ${order} and state in ('matched', 'queued', 'sending', 'available')`.execute(tx);
  await sql`select pg_notify(${DELIVERY_CHANNEL}, ${String(order)})`.execute(tx);
}
