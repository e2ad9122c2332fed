import { type Kysely, sql } from 'kysely';
import { jsonText, jsonWriter } from '../../mal/index.js';
import { ProductMetadata, ProductType } from '../../mpd/index.js';
import type { Change, Entry } from '../backend.js';
import { type RecordColumn, recordset } from '../recordset.js';
import type { CoreTables, JournalKind } from '../schema.js';
import { domainText, hex } from '../values.js';

/** A change as the journal took it: what matching works on. */
export interface Journaled {
  readonly journalId: bigint;
  readonly kind: 'new' | 'updated' | 'republished';
  readonly entry: Entry;
}

export interface JournalResult {
  readonly changes: readonly Journaled[];
  /** Rows whose product is gone. */
  readonly removed: readonly bigint[];
}

export interface JournalMode {
  /** `history`: first import, no order matches it. `feed`: what the backend says in order. `sweep`: what a listing shows. */
  readonly source: 'history' | 'feed' | 'sweep';
  /** The feed's order is the order of events; otherwise an older update time never replaces a newer one. */
  readonly ordered: boolean;
  /** In `history`: what was updated from here on is not history but new. */
  readonly contactNs: bigint | null;
}

interface Existing {
  readonly id: bigint;
  readonly domain: string;
  readonly key: string;
  readonly revision: string;
  readonly kind: JournalKind;
  readonly current: boolean;
  readonly removed: boolean;
  readonly updated_ns: bigint;
}

/**
 * Takes a batch of changes in the caller's transaction, which holds the backend's `backend_state` row: one writer a backend.
 * `readyNs` stamps rows that became fetchable now.
 */
export async function writeJournal(
  tx: Kysely<CoreTables>,
  backend: string,
  changes: readonly Change[],
  mode: JournalMode,
  readyNs: bigint,
): Promise<JournalResult> {
  const result: { changes: Journaled[]; removed: bigint[] } = { changes: [], removed: [] };
  for (const run of distinctRuns(changes)) {
    const part = await writeRun(tx, backend, run, mode, readyNs);
    result.changes.push(...part.changes);
    result.removed.push(...part.removed);
  }
  return result;
}

const refOf = (change: Change) => (change.kind === 'removed' ? change.ref : change.entry.metadata.productRef);
const idOf = (change: Change): string => {
  const ref = refOf(change);
  return `${domainText(ref.domain)} ${ref.key}`;
};

/** Cuts the batch where a product comes a second time, so that each run is one set operation. */
function* distinctRuns(changes: readonly Change[]): Iterable<readonly Change[]> {
  let run: Change[] = [];
  let seen = new Set<string>();
  for (const change of changes) {
    const id = idOf(change);
    if (seen.has(id)) {
      yield run;
      run = [];
      seen = new Set();
    }
    seen.add(id);
    run.push(change);
  }
  if (run.length > 0) yield run;
}

async function writeRun(
  tx: Kysely<CoreTables>,
  backend: string,
  run: readonly Change[],
  mode: JournalMode,
  readyNs: bigint,
): Promise<JournalResult> {
  const looking = findExisting(tx, backend, run);
  await Promise.race([looking, new Promise((resolve) => setImmediate(resolve))]);
  // While the server looks.
  for (const change of run) if (change.kind !== 'removed') metadataText(change.entry);
  const existing = await looking;
  const inserts: { entry: Entry; kind: JournalKind; updatedNs: bigint }[] = [];
  const reopened: { id: bigint; kind: 'new' | 'updated' | 'republished'; entry: Entry; updatedNs: bigint }[] = [];
  const touched: { id: bigint; entry: Entry }[] = [];
  const replaced: bigint[] = [];
  const removed: bigint[] = [];
  for (const change of run) {
    const rows = existing.get(idOf(change)) ?? [];
    const current = rows.find((row) => row.current && !row.removed);
    if (change.kind === 'removed') {
      if (current) removed.push(current.id);
      continue;
    }
    const { entry } = change;
    const same = rows.find((row) => row.revision === entry.revision);
    if (current && same === current) {
      if (change.kind === 'republished')
        reopened.push({ id: same.id, kind: 'republished', entry, updatedNs: entry.updatedAt });
      else if (same.kind === 'initial' && mode.source === 'feed' && change.kind !== 'touched')
        reopened.push({ id: same.id, kind: 'new', entry, updatedNs: entry.updatedAt });
      else touched.push({ id: same.id, entry });
      continue;
    }
    const stale = current !== undefined && entry.updatedAt < current.updated_ns;
    if (stale && !mode.ordered) continue;
    const updatedNs = stale ? current.updated_ns + 1n : entry.updatedAt;
    const last = rows.find((row) => row.current);
    if (last && last !== same) replaced.push(last.id);
    if (same) reopened.push({ id: same.id, kind: current ? 'updated' : 'new', entry, updatedNs });
    else {
      const history = mode.source === 'history' && (mode.contactNs === null || entry.updatedAt < mode.contactNs);
      inserts.push({ entry, kind: history ? 'initial' : current ? 'updated' : 'new', updatedNs });
    }
  }
  await closeRows(tx, replaced, removed);
  const journaled: Journaled[] = [];
  await touchRows(tx, touched);
  await reopenRows(tx, reopened, readyNs);
  for (const { id, kind, entry } of reopened) journaled.push({ journalId: id, kind, entry });
  const ids = await insertRows(tx, backend, inserts, readyNs);
  inserts.forEach(({ entry, kind }, i) => {
    if (kind === 'new' || kind === 'updated') journaled.push({ journalId: ids[i]!, kind, entry });
  });
  return { changes: journaled, removed };
}

const WANTED: readonly RecordColumn<Change>[] = [
  { name: 'domain', type: 'text', of: (change) => domainText(refOf(change).domain) },
  { name: 'key', type: 'text', of: (change) => refOf(change).key },
  { name: 'revision', type: 'text', of: (change) => (change.kind === 'removed' ? null : change.entry.revision) },
];

async function findExisting(
  tx: Kysely<CoreTables>,
  backend: string,
  run: readonly Change[],
): Promise<Map<string, Existing[]>> {
  const { rows } = await sql<Existing>`
    select j.id, j.domain, j.key, j.revision, j.kind, j.current, j.removed_at is not null as removed, j.updated_ns
    from ${recordset(run, WANTED, 'w')}
    join lateral (
      select * from journal where backend = ${backend} and domain = w.domain and key = w.key and current
      union all
      select * from journal where backend = ${backend} and domain = w.domain and key = w.key and revision = w.revision
        and not current
    ) j on true`.execute(tx);
  const byProduct = new Map<string, Existing[]>();
  for (const row of rows) {
    const id = `${row.domain} ${row.key}`;
    const list = byProduct.get(id);
    if (list) list.push(row);
    else byProduct.set(id, [row]);
  }
  return byProduct;
}

async function closeRows(
  tx: Kysely<CoreTables>,
  replaced: readonly bigint[],
  removed: readonly bigint[],
): Promise<void> {
  if (replaced.length > 0)
    await tx.updateTable('journal').set({ current: false }).where('id', 'in', replaced).execute();
  if (removed.length > 0)
    await tx.updateTable('journal').set({ removed_at: sql<Date>`now()` }).where('id', 'in', removed).execute();
}

interface JournalRow {
  readonly entry: Entry;
  readonly updatedNs: bigint;
}

/** Taken from an entry, whether the row is new or known. */
const KNOWN: readonly RecordColumn<JournalRow>[] = [
  { name: 'version', type: 'bigint', of: ({ entry }) => entry.metadata.productRef.version },
  { name: 'product_type', type: 'text', of: ({ entry }) => entry.metadata.productType.name },
  { name: 'metadata', type: 'jsonb', of: ({ entry }) => metadataText(entry) },
  { name: 'path', type: 'text', of: ({ entry }) => entry.path },
  { name: 'file_name', type: 'text', of: ({ entry }) => entry.fileName },
  { name: 'claim_algorithm', type: 'text', of: ({ entry }) => entry.claim?.algorithm ?? null },
  { name: 'claim_value', type: 'bytea', of: ({ entry }) => (entry.claim ? `\\x${hex(entry.claim.value)}` : null) },
  { name: 'made_for', type: 'jsonb', of: ({ entry }) => orderIds(entry.madeFor) },
  { name: 'joined_by', type: 'jsonb', of: ({ entry }) => orderIds(entry.joinedBy) },
  { name: 'created_ns', type: 'bigint', of: ({ entry }) => entry.metadata.creationDate },
  { name: 'content_start_ns', type: 'bigint', of: ({ entry }) => entry.metadata.contentDate.start },
  { name: 'content_end_ns', type: 'bigint', of: ({ entry }) => entry.metadata.contentDate.end },
  { name: 'updated_ns', type: 'bigint', of: ({ updatedNs }) => updatedNs },
];
const PLACE: readonly RecordColumn<JournalRow>[] = [
  { name: 'domain', type: 'text', of: ({ entry }) => domainText(entry.metadata.productRef.domain) },
  { name: 'key', type: 'text', of: ({ entry }) => entry.metadata.productRef.key },
  { name: 'revision', type: 'text', of: ({ entry }) => entry.revision },
];
const ID: RecordColumn<JournalRow & { readonly id: bigint }> = { name: 'id', type: 'bigint', of: ({ id }) => id };

const KIND: RecordColumn<JournalRow & { readonly kind: JournalKind }> = {
  name: 'kind',
  type: 'text',
  of: ({ kind }) => kind,
};

const orderIds = (ids: readonly bigint[] | null | undefined): string | null =>
  ids == null ? null : JSON.stringify(ids.map(String));

const writeMetadata = jsonWriter(ProductMetadata, [ProductType]);
const texts = new WeakMap<Entry, string>();

function metadataText(entry: Entry): string {
  let text = texts.get(entry);
  if (text === undefined) {
    text = jsonText(writeMetadata, entry.metadata);
    texts.set(entry, text);
  }
  return text;
}

const NAMES = sql.raw(KNOWN.map(({ name }) => name).join(', '));
const ASSIGN = sql.raw(
  KNOWN.filter(({ name }) => name !== 'updated_ns')
    .map(({ name }) => `${name} = r.${name}`)
    .join(', '),
);

/** Indexed again, same content: only what is known of it changes. */
async function touchRows(tx: Kysely<CoreTables>, rows: readonly { id: bigint; entry: Entry }[]): Promise<void> {
  if (rows.length === 0) return;
  const known = rows.map(({ id, entry }) => ({ id, entry, updatedNs: entry.updatedAt }));
  await sql`
    update journal j set ${ASSIGN}, updated_ns = greatest(j.updated_ns, r.updated_ns)
    from ${recordset(known, [ID, ...KNOWN], 'r')} where j.id = r.id`.execute(tx);
}

async function reopenRows(
  tx: Kysely<CoreTables>,
  rows: readonly { id: bigint; kind: JournalKind; entry: Entry; updatedNs: bigint }[],
  readyNs: bigint,
): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    update journal j set ${ASSIGN}, updated_ns = r.updated_ns, kind = r.kind, round = j.round + 1, current = true,
      removed_at = null, ready_ns = ${readyNs}
    from ${recordset(rows, [ID, KIND, ...KNOWN], 'r')} where j.id = r.id`.execute(tx);
}

/** Ids in the order of `rows`; they ascend in it, too: the server inserts in the order of the record set. */
async function insertRows(
  tx: Kysely<CoreTables>,
  backend: string,
  rows: readonly (JournalRow & { readonly kind: JournalKind })[],
  readyNs: bigint,
): Promise<readonly bigint[]> {
  if (rows.length === 0) return [];
  const ready: RecordColumn<JournalRow & { readonly kind: JournalKind }> = {
    name: 'ready_ns',
    type: 'bigint',
    of: ({ kind, entry }) => (kind === 'initial' ? entry.updatedAt : readyNs),
  };
  const inserted = await sql<{ id: bigint; domain: string; key: string }>`
    insert into journal (backend, current, domain, key, revision, kind, ready_ns, ${NAMES})
    select ${backend}, true, domain, key, revision, kind, ready_ns, ${NAMES}
    from ${recordset(rows, [...PLACE, KIND, ready, ...KNOWN], 'r')}
    returning id, domain, key`.execute(tx);
  const ids = new Map(inserted.rows.map((row) => [`${row.domain} ${row.key}`, row.id]));
  return rows.map(({ entry }) => ids.get(idOf({ kind: 'new', entry }))!);
}

/**
 * Ids of the rows of these entries, in their order, for products that are asked for by name. One that the journal has not seen
 * yet gets a row that is not current, so that the change itself is still new when the feed or a sweep brings it.
 */
export async function ensureJournal(
  tx: Kysely<CoreTables>,
  backend: string,
  entries: readonly Entry[],
): Promise<readonly bigint[]> {
  if (entries.length === 0) return [];
  const place = ({ domain, key, revision }: { domain: string; key: string; revision: string }) =>
    JSON.stringify([domain, key, revision]);
  const places = entries.map(({ metadata: { productRef }, revision }) =>
    place({ domain: domainText(productRef.domain), key: productRef.key, revision }),
  );
  const distinct = [
    ...new Map(entries.map((entry, i) => [places[i]!, { entry, updatedNs: entry.updatedAt }])).values(),
  ];
  const found = await sql<{ id: bigint; domain: string; key: string; revision: string }>`
    insert into journal (backend, current, domain, key, revision, kind, ready_ns, ${NAMES})
    select ${backend}, false, domain, key, revision, 'initial', updated_ns, ${NAMES}
    from ${recordset(distinct, [...PLACE, ...KNOWN], 'r')}
    order by domain, key, revision
    on conflict (backend, domain, key, revision) do update set revision = excluded.revision
    returning id, domain, key, revision`.execute(tx);
  const ids = new Map(found.rows.map((row) => [place(row), row.id]));
  return places.map((each) => ids.get(each)!);
}
