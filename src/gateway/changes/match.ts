import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Entry } from '../backend.js';
import { appendEvents, type NewEvent } from '../events/append.js';
import { type LiveOrder, loadLiveOrder } from '../orders/live.js';
import type { CoreTables } from '../schema.js';
import { domainText } from '../values.js';
import { enqueueAndTell, type Match, type Reopen } from './enqueue.js';
import type { Journaled } from './journal.js';

/** How a change opens ledger rows that exist: content that comes back after a removal was already delivered, a new round was not. */
const REOPEN: Readonly<Record<Journaled['kind'], Reopen>> = {
  new: 'unless-delivered',
  updated: 'always',
  republished: 'always',
};

/** Matches changes against the orders active now; ledger rows and events go into the caller's transaction. */
export async function matchChanges(
  tx: Kysely<CoreTables>,
  orders: readonly LiveOrder[],
  changes: readonly Journaled[],
  nowNs: bigint,
): Promise<void> {
  const active = orders.filter((order) => takesNew(order, nowNs));
  await appendEvents(tx, changes.map(productEvent));
  const named = await namedOrders(tx, orders, changes);
  for (const kind of ['new', 'updated', 'republished'] as const) {
    const matches: Match[] = [];
    for (const change of changes) {
      if (change.kind !== kind) continue;
      for (const order of takersOf(change.entry, active, named))
        if (order.matches(change.entry)) matches.push(matchOf(order, change.journalId));
    }
    await enqueueAndTell(tx, matches, REOPEN[kind]);
  }
}

/** An order that takes what becomes available at this time. */
const takesNew = (order: LiveOrder, nowNs: bigint): boolean =>
  (order.validStartNs === null || order.validStartNs <= nowNs) &&
  (order.validEndNs === null || nowNs <= order.validEndNs) &&
  skipsNothing(order);

const skipsNothing = ({ state, pausePolicy }: LiveOrder): boolean => state !== 'paused' || pausePolicy === 'hold';

/**
 * Orders that the products name as theirs. What was made for an order is its own whenever it comes, also when the order has
 * expired since; only a cancelled one takes nothing any more.
 */
async function namedOrders(
  tx: Kysely<CoreTables>,
  orders: readonly LiveOrder[],
  changes: readonly Journaled[],
): Promise<ReadonlyMap<bigint, LiveOrder>> {
  const found = new Map<bigint, LiveOrder>();
  const ids = new Set(changes.flatMap(({ entry }) => namesOf(entry)));
  if (ids.size === 0) return found;
  for (const order of orders) if (ids.has(order.id) && skipsNothing(order)) found.set(order.id, order);
  for (const id of ids) {
    if (orders.some((order) => order.id === id)) continue;
    const order = await loadLiveOrder(tx, id);
    if (order?.state === 'expired') found.set(id, order);
  }
  return found;
}

const namesOf = ({ madeFor, joinedBy }: Entry): readonly bigint[] => madeFor ?? joinedBy ?? [];

function takersOf(
  entry: Entry,
  active: readonly LiveOrder[],
  named: ReadonlyMap<bigint, LiveOrder>,
): Iterable<LiveOrder> {
  const own = namesOf(entry).flatMap((id) => named.get(id) ?? []);
  if (entry.madeFor != null) return own;
  return own.length === 0 ? active : new Set([...active, ...own]);
}

export const matchOf = (order: LiveOrder, journalId: bigint): Match => ({
  orderId: order.id,
  journalId,
  method: order.method,
  target: order.target,
  deadlineSeconds: order.deadlineSeconds,
  held: order.state === 'paused' || order.state === 'suspended',
});

const productEvent = ({ journalId, kind, entry }: Journaled): NewEvent => ({
  type: 'product',
  orderId: null,
  owner: null,
  domain: domainText(entry.metadata.productRef.domain),
  journalId,
  deliveryId: null,
  payload: { change: kind, key: entry.metadata.productRef.key },
});

/** Products that are gone: what was not sent yet ends `withdrawn`, with its event. */
export async function withdrawRemoved(tx: Kysely<CoreTables>, removed: readonly bigint[]): Promise<void> {
  if (removed.length === 0) return;
  const gone = await tx.selectFrom('journal').select(['id', 'domain', 'key']).where('id', 'in', removed).execute();
  const { rows } = await sql<{
    id: bigint;
    order_id: bigint;
    journal_id: bigint;
    owner: string;
    domain: string;
    key: string;
    filename: string | null;
  }>`
    update delivery d set state = 'withdrawn', cause = 'the product was removed from its backend', owner = null, until = null,
      epoch = d.epoch + 1, updated_at = now()
    from standing_order o
    where o.id = d.order_id and d.journal_id in (${sql.join(removed)}) and d.state in ('matched', 'queued', 'available')
    returning d.id, d.order_id, d.journal_id, o.owner, d.domain, d.key, d.filename`.execute(tx);
  await appendEvents(tx, [
    ...gone.map(
      (row): NewEvent => ({
        type: 'product',
        orderId: null,
        owner: null,
        domain: row.domain,
        journalId: row.id,
        deliveryId: null,
        payload: { change: 'removed', key: row.key },
      }),
    ),
    ...rows.map(
      (row): NewEvent => ({
        type: 'withdrawn',
        orderId: row.order_id,
        owner: row.owner,
        domain: row.domain,
        journalId: row.journal_id,
        deliveryId: row.id,
        payload: { key: row.key, filename: row.filename, reason: 'the product was removed from its backend' },
      }),
    ),
  ]);
}
