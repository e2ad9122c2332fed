import { type Kysely, sql } from 'kysely';
import type { CoreTables } from '../schema.js';
import { recordHistory } from './history.js';
import { holdQueued, releaseHeld } from './hold.js';

/** Orders of disabled owners take products but send none; enabled again they go on where they were. */
export async function suspendOrders(
  tx: Kysely<CoreTables>,
  owners: readonly string[],
  suspended: boolean,
): Promise<void> {
  if (owners.length === 0) return;
  const rows = await tx
    .updateTable('standing_order')
    .set({ state: suspended ? 'suspended' : 'active', updated_at: sql<Date>`now()` })
    .where('owner', 'in', owners)
    .where('state', '=', suspended ? 'active' : 'suspended')
    .returning('id')
    .execute();
  const ids = rows.map((row) => row.id);
  await (suspended ? holdQueued(tx, ids) : releaseHeld(tx, ids));
  for (const id of ids)
    await recordHistory(
      tx,
      id,
      'gateway',
      suspended ? 'suspended' : 'resumed',
      suspended ? 'its owner is disabled' : null,
    );
}
