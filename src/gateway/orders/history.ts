import type { Kysely } from 'kysely';
import { appendEvents } from '../events/append.js';
import type { CoreTables } from '../schema.js';

/** What was done to an order, by whom: kept for ever, and told as an event. */
export async function recordHistory(
  tx: Kysely<CoreTables>,
  orderId: bigint,
  actor: string,
  action: string,
  detail: string | null,
): Promise<void> {
  await tx.insertInto('order_history').values({ order_id: orderId, actor, action, detail }).execute();
  const { owner } = await tx
    .selectFrom('standing_order')
    .select('owner')
    .where('id', '=', orderId)
    .executeTakeFirstOrThrow();
  await appendEvents(tx, [
    {
      type: 'order',
      orderId,
      owner,
      domain: null,
      journalId: null,
      deliveryId: null,
      payload: { action, actor, detail },
    },
  ]);
}
