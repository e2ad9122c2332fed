import { type Kysely, sql } from 'kysely';
import { invalid, MpdError } from '../../mpd/index.js';
import { type Store, withRetry } from '../../store/index.js';
import type { Access, Deliveries, Principal, PulledProduct } from '../api.js';
import { appendEvents, EVENT_CHANNEL, type NewEvent } from '../events/append.js';
import type { CoreTables } from '../schema.js';
import { type EntryColumns, entryOf } from '../values.js';
import { type DeliveryInfoRow, deliveryInfo } from './ledger.js';
import { type VisibleOrder, visibleOrder } from './visible-order.js';
import { createWake } from './wake.js';

/** Place in the event log, which is in commit order: rows that commit late come late, none is passed over. */
interface Place {
  readonly tx: string;
  readonly id: bigint;
}

type Row = DeliveryInfoRow & EntryColumns & { readonly position: bigint; readonly event_tx: string };

const MOST = 1000;
/** Rows looked at in one step: more than `limit` when the principal may not see all. */
const STEP = 500;

/**
 * The pull cursor of service orders. A position is the id of the event that told of the product; what comes after it is what
 * was committed after it.
 */
export function createPull(store: Store<CoreTables>, access: Access): Pick<Deliveries, 'pull' | 'acknowledge'> {
  const { db } = store;

  async function read(
    order: VisibleOrder,
    from: Place,
    acked: boolean,
    limit: number,
    principal: Principal,
  ): Promise<readonly PulledProduct[]> {
    const found: PulledProduct[] = [];
    let place = from;
    for (;;) {
      const rows = await select(db, order.id, place, acked);
      for (const row of rows) {
        place = { tx: row.event_tx, id: row.position };
        const entry = entryOf(row);
        if (!access.allows(principal, entry)) continue;
        found.push({ position: row.position, delivery: deliveryInfo(row), entry });
        if (found.length === limit) return found;
      }
      if (rows.length < STEP) return found;
    }
  }

  return {
    async pull(orderID, { after, limit, waitMs = 0, signal }, principal) {
      const order = await serviceOrder(db, orderID, principal);
      if (!Number.isInteger(limit) || limit < 1) throw invalid('limit', 'must be a whole number from 1');
      if (after === null) await tellAgain(db, order);
      const from = await placeOf(db, order, after ?? order.acked ?? 0n);
      const end = performance.now() + waitMs;
      const wake = createWake();
      const unlisten = waitMs > 0 ? await store.listen(EVENT_CHANNEL, () => wake.wake()) : async () => undefined;
      try {
        for (;;) {
          const before = wake.count();
          const found = await read(order, from, after !== null, Math.min(limit, MOST), principal);
          const left = end - performance.now();
          if (found.length > 0 || left <= 0 || signal.aborted) return found;
          await wake.wait(before, Math.min(left, 1_000), signal);
        }
      } finally {
        await unlisten();
      }
    },

    async acknowledge(orderID, position, principal) {
      const order = await serviceOrder(db, orderID, principal);
      await withRetry(db, async (tx) => {
        const { acked } = await tx
          .selectFrom('standing_order')
          .select('acked')
          .where('id', '=', order.id)
          .forUpdate()
          .executeTakeFirstOrThrow();
        const to = await eventPlace(tx, order.id, position);
        if (to === null) throw invalid('position', `${position} is no position of order ${orderID}`);
        await sql`
          update delivery d set state = 'acknowledged', updated_at = now()
          from event e
          where e.order_id = ${order.id} and e.type = 'available' and (e.tx, e.id) <= (${to.tx}::xid8, ${to.id}::bigint)
            and d.id = e.delivery_id and d.state in ('available', 'published', 'tooLarge')
            and d.round = (e.payload ->> 'round')::integer`.execute(tx);
        const known = acked === null ? null : await eventPlace(tx, order.id, acked);
        if (known !== null && !isAfter(to, known)) return;
        await tx.updateTable('standing_order').set({ acked: position }).where('id', '=', order.id).execute();
      });
    },
  };
}

async function serviceOrder(db: Kysely<CoreTables>, orderID: bigint, principal: Principal): Promise<VisibleOrder> {
  const order = await visibleOrder(db, orderID, principal);
  if (order.method === 'FILETRANSFER')
    throw new MpdError('Incorrect State', {
      class: 'refuse',
      message: `order ${orderID} delivers files; only orders with a service method are pulled`,
      extraInformation: order.method,
    });
  return order;
}

const isAfter = (a: Place, b: Place): boolean => {
  const [at, bt] = [BigInt(a.tx), BigInt(b.tx)];
  return at === bt ? a.id > b.id : at > bt;
};

async function eventPlace(db: Kysely<CoreTables>, orderID: bigint, position: bigint): Promise<Place | null> {
  const { rows } = await sql<Place>`
    select tx::text as tx, id from event where id = ${position} and order_id = ${orderID} and type = 'available'`.execute(
    db,
  );
  return rows[0] ?? null;
}

/** Where to read from: after the event at `position`; from the oldest kept when that one is no longer kept. */
async function placeOf(db: Kysely<CoreTables>, order: VisibleOrder, position: bigint): Promise<Place> {
  if (position === 0n) return { tx: '0', id: 0n };
  const place = await eventPlace(db, order.id, position);
  if (place !== null) return place;
  const { rows } = await sql<{ id: bigint; tx: string }>`select id, tx::text as tx from event_floor`.execute(db);
  const floor = rows[0]!;
  if (position <= floor.id) return floor;
  throw invalid('after', `${position} is no position of order ${order.id}`);
}

/** Rows nobody has acknowledged whose event is no longer kept are told of again: retention of events never loses a product. */
async function tellAgain(db: Kysely<CoreTables>, { id, owner }: VisibleOrder): Promise<void> {
  const floor = await db.selectFrom('event_floor').select('id').executeTakeFirstOrThrow();
  if (floor.id === 0n) return;
  await withRetry(db, async (tx) => {
    const { rows } = await sql<{
      id: bigint;
      journal_id: bigint;
      domain: string;
      key: string;
      method: string;
      round: number;
    }>`
      select d.id, d.journal_id, d.domain, d.key, d.method, d.round from delivery d
      where d.order_id = ${id} and d.state in ('available', 'published', 'tooLarge') and not exists (
        select from event e where e.order_id = ${id} and e.type = 'available' and e.delivery_id = d.id
          and d.round = (e.payload ->> 'round')::integer)
      order by d.id limit ${MOST} for update of d`.execute(tx);
    await appendEvents(
      tx,
      rows.map(
        (row): NewEvent => ({
          type: 'available',
          orderId: id,
          owner,
          domain: row.domain,
          journalId: row.journal_id,
          deliveryId: row.id,
          payload: { key: row.key, method: row.method, round: row.round },
        }),
      ),
    );
  });
}

/** @param acked also what was acknowledged already: a reader went back on purpose */
async function select(db: Kysely<CoreTables>, orderID: bigint, from: Place, acked: boolean): Promise<readonly Row[]> {
  const states = ['available', 'published', 'tooLarge', ...(acked ? ['acknowledged'] : [])];
  const { rows } = await sql<Row>`
    select d.*, j.version, j.metadata, j.updated_ns, j.path, j.file_name, j.claim_algorithm, j.claim_value,
      e.id as position, e.tx::text as event_tx
    from event e join delivery d on d.id = e.delivery_id join journal j on j.id = d.journal_id
    where e.order_id = ${orderID} and e.type = 'available' and (e.tx, e.id) > (${from.tx}::xid8, ${from.id}::bigint)
      and e.tx < pg_snapshot_xmin(pg_current_snapshot())
      and d.state = any(${states}) and d.round = (e.payload ->> 'round')::integer
    order by e.tx, e.id limit ${STEP}`.execute(db);
  return rows;
}
