import { type Kysely, sql } from 'kysely';
import type { CoreTables } from '../schema.js';
import { recordHistory } from './history.js';
import { releaseHeld } from './hold.js';
import { lockOrders } from './live.js';

/**
 * Ends orders whose validity is over: nothing more is matched, what was matched drains, also what a pause held. Orders of
 * disabled owners wait until these are enabled again; orders that read the past, until it is made and they are not paused.
 * Answers how many.
 */
export const expireOrders = (db: Kysely<CoreTables>): Promise<number> =>
  db.transaction().execute(async (tx) => {
    const over = sql<boolean>`valid_end_ns < (extract(epoch from now()) * 1000000)::bigint * 1000
      and not exists (select from jsonb_each(upstream) as u(backend, known) where (known ->> 'past')::boolean
        and (state = 'paused' or not (known ->> 'done')::boolean))`;
    const due = await tx
      .selectFrom('standing_order')
      .select('id')
      .where('state', 'in', ['active', 'paused'])
      .where(over)
      .execute();
    if (due.length === 0) return 0;
    await lockOrders(tx);
    const rows = await tx
      .updateTable('standing_order')
      .set({ state: 'expired', updated_at: sql<Date>`now()` })
      .where(
        'id',
        'in',
        due.map((row) => row.id),
      )
      .where('state', 'in', ['active', 'paused'])
      .where(over)
      .returning('id')
      .execute();
    await releaseHeld(
      tx,
      rows.map((row) => row.id),
    );
    for (const { id } of rows) await recordHistory(tx, id, 'gateway', 'expired', 'the validity period is over');
    return rows.length;
  });
