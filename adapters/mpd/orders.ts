import { type Kysely, sql } from 'kysely';
import type { Upstream, UpstreamOrder, UpstreamStatus } from '../../src/gateway/backend.js';
import { encodeJson } from '../../src/mal/index.js';
import { decodeTree, encodeTree } from '../../src/mpd/filter/index.js';
import { isMpdError, ProductFilter, type StandingOrder, unknown } from '../../src/mpd/index.js';
import { redact } from '../../src/net/redact.js';
import type { MpdConfig } from './config.js';
import { everything, interestOf } from './interest.js';
import type { MpdService } from './service.js';
import { type MpdTables, WANTED_CHANNEL } from './tables.js';

export interface OrdersOptions {
  readonly db: Kysely<MpdTables>;
  readonly config: MpdConfig;
  readonly service: Pick<MpdService, 'orders' | 'submit' | 'cancel'>;
  readonly clock: () => bigint;
}

/**
 * Orders of this gateway as one standing order at the provider: the union of what they want, as narrow as one ProductFilter can
 * say it. One is the fewest that can be, and tells of no product twice.
 */
export interface RemoteOrders {
  readonly upstream: Upstream;
  /**
   * Makes the provider's orders agree with those here: the wider one is there before the narrower is cancelled. An order whose
   * answer was lost is found again by user, filter and comments. Run by one gateway at a time, again and again.
   * @returns whether something new was ordered, and when an order here ends next (ns)
   */
  agree(signal: AbortSignal): Promise<{ readonly ordered: boolean; readonly until: bigint | null }>;
}

const textOf = (filter: ProductFilter | null): string =>
  JSON.stringify(filter === null ? null : encodeJson(ProductFilter, filter));

export function remoteOrders({ db, config, service, clock }: OrdersOptions): RemoteOrders {
  const { id: backend, user } = config;
  // ESA's provider cannot send a product without a body, and needs a filter.
  const deliveryMethod = config.quirks === 'esa-12.2' ? 'SERVICE_COMPLETE' : 'SERVICE_JUST_METADATA';

  async function commentsOf(): Promise<string> {
    await sql`insert into mpd_state (backend) values (${backend}) on conflict do nothing`.execute(db);
    const { token } = await db
      .selectFrom('mpd_state')
      .select('token')
      .where('backend', '=', backend)
      .executeTakeFirstOrThrow();
    return `mpd-gateway ${token} follows as backend ${backend}`;
  }

  const wanting = () => db.selectFrom('mpd_order').selectAll().where('backend', '=', backend).execute();

  const remember = (filter: string, row: Pick<MpdTables['mpd_remote_order'], 'remote_id' | 'state' | 'reason'>) =>
    db
      .insertInto('mpd_remote_order')
      .values({ backend, filter, ...row })
      .onConflict((conflict) => conflict.columns(['backend', 'filter']).doUpdateSet(row))
      .execute();

  async function submit(order: StandingOrder, filter: string, signal: AbortSignal): Promise<void> {
    await remember(filter, { remote_id: null, state: 'ordering', reason: null });
    try {
      const orderID = await service.submit(order, signal);
      await remember(filter, { remote_id: orderID, state: 'ordered', reason: null });
    } catch (error) {
      const refused = isMpdError(error) && (error.class === 'refuse' || error.class === 'fatal');
      const reason = (error as Error).message;
      await remember(filter, { remote_id: null, state: refused ? 'refused' : 'ordering', reason });
      throw error;
    }
  }

  async function withdraw(orderID: bigint, signal: AbortSignal): Promise<void> {
    await service.cancel(orderID, signal).catch((error: unknown) => {
      if (!isMpdError(error, 'Unknown')) throw error;
    });
  }

  async function agree(signal: AbortSignal) {
    const now = clock();
    const rows = (await wanting()).filter(({ until_ns }) => until_ns === null || until_ns >= now);
    const trees = rows.map(({ tree }) => (tree === null ? null : decodeTree(tree)));
    const filter = config.subscribe === 'all' ? everything(config) : interestOf(trees, config);
    const comments = await commentsOf();
    const ours = (await service.orders(user, signal)).filter((order) => order.comments === comments);
    const known = await db.selectFrom('mpd_remote_order').selectAll().where('backend', '=', backend).execute();
    const idOf = (order: StandingOrder): bigint | null =>
      order.orderID ?? known.find((row) => row.filter === textOf(order.productFilter))?.remote_id ?? null;
    const text = filter === null ? null : textOf(filter);
    const given = known.find((row) => row.filter === text)?.remote_id ?? null;
    const fits = ({ orderID, productFilter }: StandingOrder): boolean =>
      textOf(productFilter) === text || (orderID !== null && orderID === given);
    const [kept, ...twice] = ours.filter(
      (order) => text !== null && order.deliveryMethod === deliveryMethod && fits(order),
    );
    if (filter !== null && kept === undefined) {
      const order = { orderID: null, user, productFilter: filter, validityPeriod: null, deliverTo: null };
      await submit({ ...order, deliveryMethod, comments }, text!, signal);
    } else if (kept !== undefined)
      await remember(text!, { remote_id: kept.orderID ?? given, state: 'ordered', reason: null });
    for (const order of ours) {
      const orderID = order.orderID ?? (twice.includes(order) ? null : idOf(order));
      if (order !== kept && orderID !== null) await withdraw(orderID, signal);
    }
    await sql`delete from mpd_remote_order where backend = ${backend} and filter is distinct from ${text}`.execute(db);
    const ends = rows.flatMap(({ until_ns }) => (until_ns === null ? [] : [until_ns]));
    const until = ends.reduce<bigint | null>((least, end) => (least === null || end < least ? end : least), null);
    return { ordered: filter !== null && kept === undefined, until };
  }

  const changed = () => sql`select pg_notify(${WANTED_CHANNEL}, ${backend})`.execute(db);

  const upstream: Upstream = {
    async ensure({ orderId, filter, validity }: UpstreamOrder) {
      const tree = filter === null ? null : JSON.stringify(encodeTree(filter));
      const until = validity?.end ?? null;
      const { numAffectedRows } = await sql`
        insert into mpd_order as o (backend, order_id, tree, until_ns)
        values (${backend}, ${String(orderId)}, ${tree}::jsonb, ${until})
        on conflict (backend, order_id) do update set tree = excluded.tree, until_ns = excluded.until_ns
        where (o.tree, o.until_ns) is distinct from (excluded.tree, excluded.until_ns)`.execute(db);
      if (numAffectedRows !== 0n) await changed();
      return `order-${orderId}`;
    },

    async cancel(id) {
      const order_id = ownId(id);
      await db.deleteFrom('mpd_order').where('backend', '=', backend).where('order_id', '=', order_id).execute();
      await changed();
    },

    async status(id) {
      const orderId = ownId(id);
      const mine = (await wanting()).find(({ order_id }) => order_id === orderId);
      // While one takes the place of another, the one that is not there yet tells more.
      const row = await db
        .selectFrom('mpd_remote_order')
        .selectAll()
        .where('backend', '=', backend)
        .orderBy(sql`state = 'ordered'`)
        .executeTakeFirst();
      const over = mine === undefined || (mine.until_ns !== null && mine.until_ns < clock());
      const state = over ? 'idle' : config.subscribe === 'nothing' ? 'listed' : (row?.state ?? 'ordering');
      const shown = over ? undefined : row;
      return {
        id,
        orderId: BigInt(orderId),
        state,
        details: {
          OrderID: shown?.remote_id == null ? null : String(shown.remote_id),
          User: user,
          ProductFilter: shown?.filter ?? null,
          Reason: shown?.reason ?? null,
        },
      };
    },

    /** All orders there that the provider shows, also those of others: only to look at. */
    async list(): Promise<readonly UpstreamStatus[]> {
      const comments = await commentsOf();
      const ids = (await wanting()).map(({ order_id }) => BigInt(order_id)).sort((a, b) => (a < b ? -1 : 1));
      const orders = await service.orders(null, AbortSignal.timeout(config.timeout));
      return orders.map((order, i) => ({
        id: order.orderID === null ? `without a number, at ${i}` : String(order.orderID),
        state: order.validityPeriod !== null && order.validityPeriod.end < clock() ? 'over' : 'standing',
        orderId: order.user === user && order.comments === comments ? (ids[0] ?? null) : null,
        details: {
          User: order.user,
          DeliveryMethod: order.deliveryMethod,
          DeliverTo: order.deliverTo === null ? null : redact(order.deliverTo),
          ProductFilter: textOf(order.productFilter),
          Comments: order.comments,
        },
      }));
    },
  };
  return { upstream, agree };
}

function ownId(id: string): string {
  const [, digits] = /^order-(\d+)$/.exec(id) ?? [];
  if (digits === undefined)
    throw unknown(null, `${id} is no order of this gateway: what others have ordered is left to them`);
  return digits;
}
