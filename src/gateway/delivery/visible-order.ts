import type { Kysely } from 'kysely';
import { isOperator } from '../access/access.js';
import type { Principal } from '../api.js';
import { noSuchOrder } from '../orders/orders.js';
import type { CoreTables } from '../schema.js';

const select = (db: Kysely<CoreTables>) =>
  db.selectFrom('standing_order').select(['id', 'owner', 'kind', 'state', 'method', 'deadline_s', 'acked', 'tree']);

export type VisibleOrder = Awaited<ReturnType<ReturnType<typeof select>['executeTakeFirstOrThrow']>>;

/** The order, when the principal may act on it; Unknown otherwise. */
export async function visibleOrder(
  db: Kysely<CoreTables>,
  orderID: bigint,
  principal: Principal,
): Promise<VisibleOrder> {
  const row = await select(db).where('id', '=', orderID).executeTakeFirst();
  if (row && (row.owner === principal.id || isOperator(principal) || principal.assertsUser)) return row;
  throw noSuchOrder(orderID);
}
