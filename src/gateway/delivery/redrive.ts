import { type Kysely, sql } from 'kysely';
import { MpdError } from '../../mpd/index.js';
import { withRetry } from '../../store/index.js';
import type { Deliveries } from '../api.js';
import { DELIVERY_CHANNEL } from '../changes/enqueue.js';
import { appendEvents, type NewEvent } from '../events/append.js';
import { recordHistory } from '../orders/history.js';
import type { CoreTables, FileState, ServiceState } from '../schema.js';
import { visibleOrder } from './visible-order.js';

interface Redriven {
  readonly id: bigint;
  readonly journal_id: bigint;
  readonly domain: string;
  readonly key: string;
  readonly round: number;
  readonly state: FileState | ServiceState;
}

/**
 * Dead and withdrawn rows back into the queue, each with its order's whole deadline before it. A row that was held keeps its
 * `mismatch`, by which the next worker knows that it was let go.
 */
export function createRedrive(db: Kysely<CoreTables>): Pick<Deliveries, 'redrive'> {
  return {
    async redrive(orderID, ids, principal) {
      const { owner, method } = await visibleOrder(db, orderID, principal);
      if (ids !== 'dead' && ids.length === 0) return 0;
      return withRetry(db, async (tx) => {
        const order = await tx
          .selectFrom('standing_order')
          .select(['kind', 'state'])
          .where('id', '=', orderID)
          .forUpdate()
          .executeTakeFirstOrThrow();
        if (order.state === 'cancelled')
          throw new MpdError('Incorrect State', {
            class: 'refuse',
            message: `order ${orderID} is cancelled: nothing of it is sent any more`,
            extraInformation: order.state,
          });
        const which =
          ids === 'dead' ? sql`d.state = 'dead'` : sql`d.state in ('dead', 'withdrawn') and d.id = any(${ids})`;
        const held = order.state === 'paused' || order.state === 'suspended';
        const { rows } = await sql<Redriven>`
          update delivery d set
            state = case when d.method <> 'FILETRANSFER' then 'available' when ${held} then 'matched' else 'queued' end,
            cause = null, error_class = null, attempts = 0, next_at = now(),
            deadline_at = now() + make_interval(secs => o.deadline_s),
            owner = null, until = null, epoch = d.epoch + 1, updated_at = now()
          from standing_order o
          where o.id = d.order_id and d.order_id = ${orderID} and ${which}
          returning d.id, d.journal_id, d.domain, d.key, d.round, d.state`.execute(tx);
        if (rows.length === 0) return 0;
        if (order.kind === 'once')
          await tx.updateTable('standing_order').set({ state: 'active' }).where('id', '=', orderID).execute();
        const available = rows.filter((row) => row.state === 'available');
        await appendEvents(
          tx,
          available.map(
            (row): NewEvent => ({
              type: 'available',
              orderId: orderID,
              owner,
              domain: row.domain,
              journalId: row.journal_id,
              deliveryId: row.id,
              payload: { key: row.key, method, round: row.round },
            }),
          ),
        );
        await recordHistory(tx, orderID, principal.id, 'redriven', `${rows.length} deliveries`);
        await sql`select pg_notify(${DELIVERY_CHANNEL}, '')`.execute(tx);
        return rows.length;
      });
    },
  };
}
