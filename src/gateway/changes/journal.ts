import { type Kysely, sql } from 'kysely';
import type { Change, Entry } from '../backend.js';
import type { CoreTables, JournalKind } from '../schema.js';
import { domainText, hex, metadataJson } from '../values.js';

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
  const existing = await findExisting(tx, backend, run);
  const inserts: { change: Exclude<Change, { kind: 'removed' }>; kind: JournalKind; updatedNs: bigint }[] = [];
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
      inserts.push({ change, kind: history ? 'initial' : current ? 'updated' : 'new', updatedNs });
    }
  }
  await closeRows(tx, replaced, removed);
  const journaled: Journaled[] = [];
  await touchRows(tx, touched);
  await reopenRows(tx, reopened, readyNs);
  for (const { id, kind, entry } of reopened) journaled.push({ journalId: id, kind, entry });
  const ids = await insertRows(tx, backend, inserts, readyNs);
  inserts.forEach(({ change, kind }, i) => {
    if (kind === 'new' || kind === 'updated') journaled.push({ journalId: ids[i]!, kind, entry: change.entry });
  });
  return { changes: journaled, removed };
}

async function findExisting(
  tx: Kysely<CoreTables>,
  backend: string,
  run: readonly Change[],
): Promise<Map<string, Existing[]>> {
  const wanted = JSON.stringify(
    run.map((change) => ({
      domain: domainText(refOf(change).domain),
      key: refOf(change).key,
      revision: change.kind === 'removed' ? null : change.entry.revision,
    })),
  );
  const { rows } = await sql<Existing>`
    select j.id, j.domain, j.key, j.revision, j.kind, j.current, j.removed_at is not null as removed, j.updated_ns
    from jsonb_to_recordset(${wanted}::jsonb) as w(domain text, key text, revision text)
    join lateral (
      select * from journal where backend = ${backend} and domain = w.domain and key = w.key and current
      union
      select * from journal where backend = ${backend} and domain = w.domain and key = w.key and revision = w.revision
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

/** Columns taken from an entry, as JSON for `jsonb_to_recordset`; bytea in its text form. */
function columns(entry: Entry, updatedNs: bigint): Record<string, unknown> {
  const { metadata, claim } = entry;
  return {
    version: metadata.productRef.version,
    product_type: metadata.productType.name,
    metadata: metadataJson(metadata),
    path: entry.path,
    file_name: entry.fileName,
    claim_algorithm: claim?.algorithm ?? null,
    claim_value: claim ? `\\x${hex(claim.value)}` : null,
    made_for: entry.madeFor?.map(String) ?? null,
    joined_by: entry.joinedBy?.map(String) ?? null,
    created_ns: String(metadata.creationDate),
    content_start_ns: String(metadata.contentDate.start),
    content_end_ns: String(metadata.contentDate.end),
    updated_ns: String(updatedNs),
  };
}

const COLUMNS =
  sql.raw(`version bigint, product_type text, metadata jsonb, path text, file_name text, claim_algorithm text,
  claim_value bytea, made_for jsonb, joined_by jsonb, created_ns bigint, content_start_ns bigint, content_end_ns bigint,
  updated_ns bigint`);
const NAMES = sql.raw(`version, product_type, metadata, path, file_name, claim_algorithm, claim_value, made_for, joined_by,
  created_ns, content_start_ns, content_end_ns, updated_ns`);
const ASSIGN = sql.raw(`version = r.version, product_type = r.product_type, metadata = r.metadata, path = r.path,
  file_name = r.file_name, claim_algorithm = r.claim_algorithm, claim_value = r.claim_value, made_for = r.made_for,
  joined_by = r.joined_by, created_ns = r.created_ns,
  content_start_ns = r.content_start_ns, content_end_ns = r.content_end_ns`);

/** Indexed again, same content: only what is known of it changes. */
async function touchRows(tx: Kysely<CoreTables>, rows: readonly { id: bigint; entry: Entry }[]): Promise<void> {
  if (rows.length === 0) return;
  const json = JSON.stringify(rows.map(({ id, entry }) => ({ id: String(id), ...columns(entry, entry.updatedAt) })));
  await sql`
    update journal j set ${ASSIGN}, updated_ns = greatest(j.updated_ns, r.updated_ns)
    from jsonb_to_recordset(${json}::jsonb) as r(id bigint, ${COLUMNS}) where j.id = r.id`.execute(tx);
}

async function reopenRows(
  tx: Kysely<CoreTables>,
  rows: readonly { id: bigint; kind: JournalKind; entry: Entry; updatedNs: bigint }[],
  readyNs: bigint,
): Promise<void> {
  if (rows.length === 0) return;
  const json = JSON.stringify(
    rows.map(({ id, kind, entry, updatedNs }) => ({ id: String(id), kind, ...columns(entry, updatedNs) })),
  );
  await sql`
    update journal j set ${ASSIGN}, updated_ns = r.updated_ns, kind = r.kind, round = j.round + 1, current = true,
      removed_at = null, ready_ns = ${readyNs}
    from jsonb_to_recordset(${json}::jsonb) as r(id bigint, kind text, ${COLUMNS}) where j.id = r.id`.execute(tx);
}

/** Ids in the order of `rows`. */
async function insertRows(
  tx: Kysely<CoreTables>,
  backend: string,
  rows: readonly { change: { entry: Entry }; kind: JournalKind; updatedNs: bigint }[],
  readyNs: bigint,
): Promise<readonly bigint[]> {
  if (rows.length === 0) return [];
  const json = JSON.stringify(
    rows.map(({ change: { entry }, kind, updatedNs }, n) => ({
      n,
      domain: domainText(entry.metadata.productRef.domain),
      key: entry.metadata.productRef.key,
      revision: entry.revision,
      kind,
      ready_ns: String(kind === 'initial' ? entry.updatedAt : readyNs),
      ...columns(entry, updatedNs),
    })),
  );
  const inserted = await sql<{ id: bigint; domain: string; key: string }>`
    insert into journal (backend, current, domain, key, revision, kind, ready_ns, ${NAMES})
    select ${backend}, true, domain, key, revision, kind, ready_ns, ${NAMES}
    from jsonb_to_recordset(${json}::jsonb)
      as r(n integer, domain text, key text, revision text, kind text, ready_ns bigint, ${COLUMNS})
    order by n
    returning id, domain, key`.execute(tx);
  const ids = new Map(inserted.rows.map((row) => [`${row.domain} ${row.key}`, row.id]));
  return rows.map(({ change }) => ids.get(idOf({ kind: 'new', entry: change.entry }))!);
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
  const rows = entries.map((entry) => ({
    domain: domainText(entry.metadata.productRef.domain),
    key: entry.metadata.productRef.key,
    revision: entry.revision,
    ...columns(entry, entry.updatedAt),
  }));
  const place = (row: { domain: string; key: string; revision: string }) =>
    JSON.stringify([row.domain, row.key, row.revision]);
  const distinct = [...new Map(rows.map((row) => [place(row), row])).values()];
  const found = await sql<{ id: bigint; domain: string; key: string; revision: string }>`
    insert into journal (backend, current, domain, key, revision, kind, ready_ns, ${NAMES})
    select ${backend}, false, domain, key, revision, 'initial', updated_ns, ${NAMES}
    from jsonb_to_recordset(${JSON.stringify(distinct)}::jsonb) as r(domain text, key text, revision text, ${COLUMNS})
    order by domain, key, revision
    on conflict (backend, domain, key, revision) do update set revision = excluded.revision
    returning id, domain, key, revision`.execute(tx);
  const ids = new Map(found.rows.map((row) => [place(row), row.id]));
  return rows.map((row) => ids.get(place(row))!);
}
