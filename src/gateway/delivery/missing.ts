import { type Kysely, sql } from 'kysely';
import { checkWindow, decodeTree, inWindow } from '../../mpd/filter/index.js';
import { conjunction } from '../access/sight.js';
import type { Access, Completeness, Deliveries } from '../api.js';
import type { Backend, Entry } from '../backend.js';
import type { Backends } from '../backends.js';
import { backendsFor } from '../catalogue/merge.js';
import { loadLiveOrder } from '../orders/live.js';
import { noSuchOrder } from '../orders/orders.js';
import type { CoreTables, FileState, ServiceState } from '../schema.js';
import { domainText } from '../values.js';
import { deliveryInfo, selectDeliveries } from './ledger.js';
import { visibleOrder } from './visible-order.js';

const BATCH = 500;
/** Most products that one answer names. */
const MOST = 10_000;

const DELIVERED: ReadonlySet<string> = new Set(['notified', 'verified', 'published', 'acknowledged']);
const UNDERWAY: ReadonlySet<string> = new Set(['matched', 'queued', 'sending', 'landed', 'available']);

export interface MissingDependencies {
  readonly db: Kysely<CoreTables>;
  readonly backends: Backends;
  readonly access: Access;
}

/** The completeness proof: walks what the backends hold now, in batches against the ledger, with bounded memory. */
export function createMissing({ db, backends, access }: MissingDependencies): Pick<Deliveries, 'missing'> {
  return {
    async missing(orderID, { created, limit, signal }, principal) {
      checkWindow(created, 'created');
      const { tree, kind } = await visibleOrder(db, orderID, principal);
      if (kind === 'once') return missingOfOnce(db, orderID, created, Math.min(limit, MOST));
      const order = await loadLiveOrder(db, orderID);
      if (order === undefined) throw noSuchOrder(orderID);
      const filter = conjunction(tree === null ? null : decodeTree(tree), principal.policy);
      const wanted = (entry: Entry): boolean =>
        (created === null || inWindow(entry.metadata.creationDate, created)) &&
        order.matches(entry) &&
        access.allows(principal, entry);
      const most = Math.min(limit, MOST);
      const found: { held: number; delivered: number; underway: number; more: boolean } = {
        ...{ held: 0, delivered: 0, underway: 0, more: false },
      };
      const missing: Completeness['missing'][number][] = [];
      for (const backend of backendsFor(backends.all, filter)) {
        const query = { filter, created, content: null, updated: null };
        for await (const batch of batches(backend, query, wanted, signal)) {
          const states = await ledgerStates(db, orderID, batch);
          for (const [i, entry] of batch.entries()) {
            const row = states.get(i) ?? { state: 'none', cause: 'never matched by this order' };
            found.held++;
            if (DELIVERED.has(row.state)) found.delivered++;
            else if (UNDERWAY.has(row.state)) found.underway++;
            else if (missing.length < most)
              missing.push({ ref: entry.metadata.productRef, revision: entry.revision, ...row });
            else found.more = true;
          }
        }
      }
      return { orderID, ...found, missing };
    },
  };
}

/** An order of kind `once` wants what was named in it, nothing else. */
async function missingOfOnce(
  db: Kysely<CoreTables>,
  orderID: bigint,
  created: { readonly start: bigint; readonly end: bigint } | null,
  limit: number,
): Promise<Completeness> {
  let query = selectDeliveries(db).where('d.order_id', '=', orderID).orderBy('d.id');
  if (created !== null)
    query = query.where('j.created_ns', '>=', created.start).where('j.created_ns', '<=', created.end);
  const rows = await query.execute();
  const open = rows.filter(({ state }) => !DELIVERED.has(state) && !UNDERWAY.has(state)).map(deliveryInfo);
  const underway = rows.filter(({ state }) => UNDERWAY.has(state)).length;
  return {
    orderID,
    held: rows.length,
    delivered: rows.length - underway - open.length,
    underway,
    missing: open.slice(0, limit).map(({ ref, revision, state, cause }) => ({ ref, revision, state, cause })),
    more: open.length > limit,
  };
}

async function* batches(
  backend: Backend,
  query: Parameters<Backend['list']>[0],
  wanted: (entry: Entry) => boolean,
  signal: AbortSignal,
): AsyncIterable<readonly Entry[]> {
  let batch: Entry[] = [];
  for await (const { entry } of backend.list(query, { order: 'created', limit: BATCH, signal })) {
    signal.throwIfAborted();
    if (!wanted(entry)) continue;
    batch.push(entry);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface LedgerState {
  readonly state: FileState | ServiceState | 'none';
  readonly cause: string | null;
}

async function ledgerStates(
  db: Kysely<CoreTables>,
  orderID: bigint,
  entries: readonly Entry[],
): Promise<ReadonlyMap<number, LedgerState>> {
  const wanted = entries.map(({ metadata: { productRef }, revision }, i) => ({
    ...{ i, revision, domain: domainText(productRef.domain), key: productRef.key },
  }));
  const { rows } = await sql<LedgerState & { readonly i: number }>`
    select w.i, d.state, d.cause
    from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w(i integer, domain text, key text, revision text)
    join delivery d on d.order_id = ${orderID} and d.domain = w.domain and d.key = w.key and d.revision = w.revision`.execute(
    db,
  );
  return new Map(rows.map(({ i, state, cause }) => [i, { state, cause }]));
}
