import type { Kysely, Selectable } from 'kysely';
import { unknown } from '../../mpd/index.js';
import type { AttemptInfo, Deliveries, DeliveryInfo } from '../api.js';
import type { AttemptTable, CoreTables } from '../schema.js';
import { domainOf, hex, nsOfDate, productRef } from '../values.js';
import { visibleOrder } from './visible-order.js';

const MOST = 1000;

export const selectDeliveries = (db: Kysely<CoreTables>) =>
  db.selectFrom('delivery as d').innerJoin('journal as j', 'j.id', 'd.journal_id').selectAll('d').select('j.version');

export type DeliveryInfoRow = Awaited<ReturnType<ReturnType<typeof selectDeliveries>['executeTakeFirstOrThrow']>>;

const WAITING = ['queued', 'matched', 'sending', 'landed'];

export const deliveryInfo = (row: DeliveryInfoRow): DeliveryInfo => ({
  id: row.id,
  orderID: row.order_id,
  ref: productRef(domainOf(row.domain), row.key, Number(row.version)),
  revision: row.revision,
  round: row.round,
  state: row.state,
  cause: row.cause,
  errorClass: row.error_class,
  filename: row.filename,
  location: row.location,
  bytes: row.bytes,
  checksum: row.checksum && hex(row.checksum),
  sourceCheck: row.source_check,
  targetCheck: row.target_check,
  attempts: row.attempts,
  published: row.published,
  nextAttemptAt: WAITING.includes(row.state) ? nsOfDate(row.next_at) : null,
  createdAt: nsOfDate(row.created_at),
  updatedAt: nsOfDate(row.updated_at),
});

const attemptInfo = (row: Selectable<AttemptTable>): AttemptInfo => ({
  round: row.round,
  startedAt: nsOfDate(row.started_at),
  endedAt: row.ended_at && nsOfDate(row.ended_at),
  bytes: row.bytes,
  checksum: row.checksum && hex(row.checksum),
  remotePath: row.remote_path,
  errorClass: row.error_class,
  error: row.error,
});

/** What the ledger says of an order's deliveries. */
export function createLedger(db: Kysely<CoreTables>): Pick<Deliveries, 'list' | 'get'> {
  return {
    async list(orderID, { states, after, limit }, principal) {
      await visibleOrder(db, orderID, principal);
      let query = selectDeliveries(db).where('d.order_id', '=', orderID).orderBy('d.id').limit(Math.min(limit, MOST));
      if (after !== undefined) query = query.where('d.id', '>', after);
      if (states !== undefined) query = query.where('d.state', 'in', states as readonly DeliveryInfoRow['state'][]);
      return (await query.execute()).map(deliveryInfo);
    },

    async get(id, principal) {
      const row = await selectDeliveries(db).where('d.id', '=', id).executeTakeFirst();
      if (row === undefined) throw noSuchDelivery(id);
      await visibleOrder(db, row.order_id, principal).catch(() => {
        throw noSuchDelivery(id);
      });
      const log = await db.selectFrom('attempt').selectAll().where('delivery_id', '=', id).orderBy('epoch').execute();
      return { ...deliveryInfo(row), log: log.map(attemptInfo) };
    },
  };
}

const noSuchDelivery = (id: bigint) => unknown(id, `there is no delivery ${id}`);
