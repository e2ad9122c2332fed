import { type Kysely, sql } from 'kysely';
import { invalid, MpdError } from '../../mpd/index.js';
import type { Store } from '../../store/index.js';
import { isOperator } from '../access/access.js';
import type { Access, EventQuery, Events, GatewayEvent, Principal } from '../api.js';
import type { CoreTables, EventType } from '../schema.js';
import { type EntryColumns, entryOf, nsOfDate } from '../values.js';
import { EVENT_CHANNEL } from './append.js';

interface Place {
  readonly generation: string;
  readonly tx: string;
  readonly id: bigint;
}

type Row = Partial<EntryColumns> & {
  readonly id: bigint;
  readonly tx: string;
  readonly at: Date;
  readonly type: EventType;
  readonly order_id: bigint | null;
  readonly owner: string | null;
  readonly delivery_id: bigint | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly has_product: boolean;
};

const CURSOR = /^([0-9a-f-]{36})\.(\d{1,20})\.(\d{1,19})$/;
/** How long a reader waits for a wake-up before it looks by itself. */
const POLL_MS = 1000;

/**
 * Events in commit order: by (transaction, id), and only below the oldest transaction that still runs, so that one which
 * commits late is read late, never skipped.
 */
export function createEvents(store: Store<CoreTables>, access: Access): Events {
  const { db } = store;

  const read = async (query: EventQuery, limit: number, principal: Principal) => {
    const from = await placeOf(db, query.cursor);
    const rows = await select(db, from, query, limit, principal);
    const last = rows.at(-1);
    const cursor = last ? cursorOf({ ...from, tx: last.tx, id: last.id }) : cursorOf(from);
    return {
      events: rows.flatMap((row) => visible(row, from.generation, principal, access)),
      cursor,
      full: rows.length === limit,
    };
  };

  return {
    read: async (query, limit, principal) => {
      const { events, cursor } = await read(query, limit, principal);
      return { events, cursor };
    },

    async *tail(query, signal, principal) {
      let wake = () => {};
      const unlisten = await store.listen(EVENT_CHANNEL, () => wake());
      try {
        for (let cursor = query.cursor; ; ) {
          let woken = false;
          const next = new Promise<void>((resolve) => {
            wake = () => {
              woken = true;
              resolve();
            };
          });
          const page = await read({ ...query, cursor }, 500, principal);
          cursor = page.cursor;
          yield* page.events;
          if (signal.aborted) return;
          if (page.full || woken) continue;
          await wokenOrLater(next, POLL_MS, signal);
          if (signal.aborted) return;
        }
      } finally {
        await unlisten();
      }
    },
  };
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

async function placeOf(db: Kysely<CoreTables>, cursor: string | null): Promise<Place> {
  const { rows } = await sql<{ generation: string; tx: string; id: bigint; end: string }>`
    select generation, tx::text as tx, id, pg_snapshot_xmin(pg_current_snapshot())::text as end from event_floor`.execute(
    db,
  );
  const floor = rows[0]!;
  if (cursor === null) return { generation: floor.generation, tx: String(BigInt(floor.end) - 1n), id: MAX_ID };
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
  return place;
}

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
    select e.id, e.tx::text as tx, e.at, e.type, e.order_id, e.owner, e.delivery_id, e.payload, j.id is not null as has_product,
      j.metadata, j.revision, j.updated_ns, j.path, j.file_name, j.claim_algorithm, j.claim_value
    from event e left join journal j on j.id = e.journal_id
    where ${sql.join(conditions, sql` and `)}
    order by e.tx, e.id limit ${limit}`.execute(db);
  return rows;
}

function visible(row: Row, generation: string, principal: Principal, access: Access): readonly GatewayEvent[] {
  const entry = row.has_product ? entryOf(row as EntryColumns) : null;
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
