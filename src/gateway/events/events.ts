import { type Kysely, sql } from 'kysely';
import { invalid, MpdError } from '../../mpd/index.js';
import type { Store } from '../../store/index.js';
import { isOperator } from '../access/access.js';
import type { Access, EventPage, EventQuery, Events, GatewayEvent, Principal } from '../api.js';
import type { CoreTables, EventType } from '../schema.js';
import { type EntryColumns, metadataOf, nsOfDate } from '../values.js';
import { EVENT_CHANNEL } from './append.js';

interface Place {
  readonly generation: string;
  readonly tx: string;
  readonly id: bigint;
}

/** Without a product the columns of its entry are null. */
type Row = Pick<EntryColumns, 'metadata' | 'revision' | 'path'> & {
  readonly id: bigint;
  readonly tx: string;
  readonly at: Date;
  readonly type: EventType;
  readonly order_id: bigint | null;
  readonly owner: string | null;
  readonly delivery_id: bigint | null;
  readonly payload: Readonly<Record<string, unknown>>;
};

const CURSOR = /^([0-9a-f-]{36})\.(\d{1,20})\.(\d{1,19})$/;
/** How long a reader waits for a wake-up before it looks by itself. */
const POLL_MS = 1000;
/** Events of one page. Two are in memory for a reader that is behind; larger ones would outlive the collector's young space. */
const PAGE = 500;
/** Most events kept for one subscriber. */
const MOST_KEPT = 10_000;

/**
 * Events in commit order: by (transaction, id), and only below the oldest transaction that still runs, so that one which
 * commits late is read late, never skipped.
 */
export function createEvents(store: Store<CoreTables>, access: Access): Events {
  const { db } = store;

  const read = async (query: EventQuery, limit: number, principal: Principal) => {
    const from = await placeOf(db, query.cursor);
    const rows = await select(db, from, query, limit, principal);
    const full = rows.length === limit;
    const last = { ...from, ...rows.at(-1) };
    return {
      events: rows.flatMap((row) => visible(row, from.generation, principal, access)),
      cursor: cursorOf(full ? last : later(last, from.seen)),
      full,
    };
  };

  return {
    read: async (query, limit, principal) => {
      const { events, cursor } = await read(query, limit, principal);
      return { events, cursor };
    },

    async *tail(query, signal, principal) {
      for await (const { events } of pages(query, signal, principal, 1)) yield* events;
    },

    pages: (query, signal, principal) => pages(query, signal, principal, 2),

    async kept({ types, upTo, wanted }, principal) {
      const orders = await db
        .selectFrom('standing_order')
        .select(['id', 'owner'])
        .where('kind', '=', 'standing')
        .where((eb) => eb.or([eb('retain_last', 'is not', null), eb('retain_s', 'is not', null)]))
        .execute();
      const ids = orders.filter(({ id, owner }) => wanted({ orderID: id, user: owner })).map(({ id }) => id);
      if (ids.length === 0) return [];
      const to = await placeOf(db, upTo);
      const { rows } = await sql<Row>`
        select ${COLUMNS} from standing_order o cross join lateral (
          select * from event where order_id = o.id and type = any(${types})
            and (tx, id) <= (${to.tx}::xid8, ${to.id}::bigint)
            and (o.retain_s is null or at >= now() - make_interval(secs => o.retain_s))
          order by tx desc, id desc limit coalesce(o.retain_last, ${MOST_KEPT})) e
        left join journal j on j.id = e.journal_id
        where o.id = any(${ids})
        order by e.tx desc, e.id desc limit ${MOST_KEPT}`.execute(db);
      return rows.reverse().flatMap((row) => visible(row, to.generation, principal, access));
    },
  };

  /** @param depth 2: a further page is read while one is looked at */
  async function* pages(
    query: EventQuery,
    signal: AbortSignal,
    principal: Principal,
    depth: 1 | 2,
  ): AsyncGenerator<EventPage, void> {
    let wake = () => {};
    const unlisten = await store.listen(EVENT_CHANNEL, () => wake());
    let ahead: ReturnType<typeof read> | null = null;
    try {
      for (let { cursor } = query; ; ) {
        let woken = false;
        const next = new Promise<void>((resolve) => {
          wake = () => {
            woken = true;
            resolve();
          };
        });
        const page: Awaited<ReturnType<typeof read>> = await (ahead ?? read({ ...query, cursor }, PAGE, principal));
        cursor = page.cursor;
        ahead = depth === 2 && page.full && !signal.aborted ? read({ ...query, cursor }, PAGE, principal) : null;
        ahead?.catch(() => {});
        yield page;
        if (signal.aborted) return;
        if (page.full || woken) continue;
        await wokenOrLater(next, POLL_MS, signal);
        if (signal.aborted) return;
      }
    } finally {
      await Promise.allSettled([ahead, unlisten()]);
    }
  }
}

/** Waits for the wake-up, but no longer than `ms`; leaves no timer and no listener behind. */
async function wokenOrLater(woken: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    void woken.then(done);
    if (signal.aborted) done();
  });
}

const cursorOf = ({ generation, tx, id }: Place): string => `${generation}.${tx}.${id}`;

/** The place of a cursor, and up to which the log is complete by now. */
async function placeOf(db: Kysely<CoreTables>, cursor: string | null): Promise<Place & { readonly seen: Place }> {
  const { rows } = await sql<{ generation: string; tx: string; id: bigint; end: string }>`
    select generation, tx::text as tx, id, pg_snapshot_xmin(pg_current_snapshot())::text as end from event_floor`.execute(
    db,
  );
  const floor = rows[0]!;
  const seen = { generation: floor.generation, tx: String(BigInt(floor.end) - 1n), id: MAX_ID };
  if (cursor === null) return { ...seen, seen };
  const [, generation, tx, id] = CURSOR.exec(cursor) ?? [];
  if (generation === undefined) throw invalid('cursor', 'is not an event cursor of this gateway');
  const place = { generation, tx: tx!, id: BigInt(id!) };
  const older = BigInt(place.tx) < BigInt(floor.tx) || (place.tx === floor.tx && place.id < floor.id);
  if (generation !== floor.generation || older)
    throw new MpdError('Unknown', {
      class: 'refuse',
      message:
        'the cursor is older than the events kept: there is a gap; start again from now and list what was missed',
      extraInformation: 'gap',
      field: 'cursor',
    });
  return { ...place, seen };
}

const later = (a: Place, b: Place): Place => (BigInt(a.tx) > BigInt(b.tx) || (a.tx === b.tx && a.id > b.id) ? a : b);

const MAX_ID = 2n ** 63n - 1n;

async function select(
  db: Kysely<CoreTables>,
  from: Place,
  { orderID, user, types }: EventQuery,
  limit: number,
  principal: Principal,
): Promise<readonly Row[]> {
  const conditions = [
    sql`(e.tx, e.id) > (${from.tx}::xid8, ${from.id}::bigint)`,
    sql`e.tx < pg_snapshot_xmin(pg_current_snapshot())`,
  ];
  if (orderID !== undefined) conditions.push(sql`e.order_id = ${orderID}`);
  if (user !== undefined && user !== '*') conditions.push(sql`e.owner = ${user}`);
  if (types) conditions.push(sql`e.type = any(${types})`);
  if (!isOperator(principal) && !principal.assertsUser)
    conditions.push(sql`(e.owner = ${principal.id} or (e.owner is null and e.type = 'product'))`);
  const { rows } = await sql<Row>`
    select ${COLUMNS}
    from event e left join journal j on j.id = e.journal_id
    where ${sql.join(conditions, sql` and `)}
    order by e.tx, e.id limit ${limit}`.execute(db);
  return rows;
}

const COLUMNS = sql`e.id, e.tx::text as tx, e.at, e.type, e.order_id, e.owner, e.delivery_id, e.payload,
  j.metadata, j.revision, j.path`;

function visible(row: Row, generation: string, principal: Principal, access: Access): readonly GatewayEvent[] {
  const { revision, path } = row;
  const entry = row.metadata === null ? null : { metadata: metadataOf(row.metadata), revision, path };
  if (entry && !access.allows(principal, entry)) return [];
  return [
    {
      cursor: cursorOf({ generation, tx: row.tx, id: row.id }),
      at: nsOfDate(row.at),
      type: row.type,
      orderID: row.order_id,
      owner: row.owner,
      deliveryId: row.delivery_id,
      payload: row.payload,
      metadata: entry?.metadata ?? null,
      entry,
    },
  ];
}

/** Removes events older than the retention and moves the floor, in bounded steps. */
export async function expireEvents(db: Kysely<CoreTables>, retentionMs: number): Promise<number> {
  let total = 0;
  for (;;) {
    const { rows } = await sql<{ n: bigint }>`
      with old as (
        select tx, id from event where at < now() - make_interval(secs => ${retentionMs / 1000})
          and tx < pg_snapshot_xmin(pg_current_snapshot())
        order by tx, id limit 5000),
      gone as (delete from event e using old where e.tx = old.tx and e.id = old.id returning e.tx, e.id),
      newest as (select tx, id from gone order by tx desc, id desc limit 1),
      moved as (update event_floor f set tx = n.tx, id = n.id from newest n where (f.tx, f.id) < (n.tx, n.id))
      select count(*) as n from gone`.execute(db);
    const removed = Number(rows[0]!.n);
    total += removed;
    if (removed < 5000) return total;
  }
}
