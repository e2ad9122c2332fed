import { type Insertable, type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Logger } from 'pino';
import { encodeJson, list, NamedValue } from '../../src/mal/index.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { withRetry } from '../../src/store/index.js';
import { describeFile, type Subject } from './describe.js';
import type { ReadResult } from './read.js';
import { type FileStat, sameStat } from './root.js';
import { type ArchiveTables, CHANNEL, type FileTable } from './tables.js';

type ReadFile = Extract<ReadResult, { status: 'read' }>;
type Row = Selectable<FileTable>;

/** What the scanner found since the last commit. No path is in both. */
export interface Findings {
  readonly read: readonly ReadFile[];
  readonly removed: readonly string[];
}

export interface IndexWriter {
  /** Puts the findings into the index; whatever they change gets a change number, in the order of commits. */
  commit(findings: Findings): Promise<void>;
}

/** Another gateway has taken over the scanning. */
export class TakenOver extends Error {}

export interface WriterOptions {
  readonly db: Kysely<ArchiveTables>;
  readonly backend: string;
  readonly epoch: bigint;
  readonly mapper: ProductMapper;
  readonly domainOf: (path: string) => readonly string[];
  readonly clock: () => bigint;
  readonly log: Logger;
}

export function indexWriter(options: WriterOptions): IndexWriter {
  const { db, backend, epoch, log } = options;
  return {
    async commit(findings) {
      if (findings.read.length + findings.removed.length === 0) return;
      const outcome = await withRetry(db, async (trx) => {
        const state = await trx
          .updateTable('archive_state')
          .set((column) => ({ seq: column.ref('seq') }))
          .where('backend', '=', backend)
          .where('epoch', '=', epoch)
          .returning('seq')
          .executeTakeFirst();
        if (state === undefined) throw new TakenOver('another gateway scans this archive now');
        return applyFindings(trx, options, findings, state.seq);
      });
      for (const { path, problems } of outcome.problems)
        log.info({ path, problems }, 'a file is not quite as its mapping expects');
      if (outcome.changes > 0) log.debug({ changes: outcome.changes, seq: outcome.seq }, 'archive changes');
    },
  };
}

interface Outcome {
  readonly seq: bigint;
  readonly changes: number;
  readonly problems: readonly { readonly path: string; readonly problems: readonly string[] }[];
}

async function applyFindings(
  trx: Transaction<ArchiveTables>,
  options: WriterOptions,
  { read, removed }: Findings,
  lastSeq: bigint,
): Promise<Outcome> {
  const { backend } = options;
  const touched = await replaceFacts(trx, backend, read, removed);
  const readPaths = new Map(read.map((file) => [file.path, file]));
  const paths = [...new Set([...readPaths.keys(), ...removed, ...touched])];
  const rows = await loadRows(trx, backend, paths);
  const facts = await loadFacts(trx, backend, paths);
  const gone = new Set(removed);
  const next: Row[] = [];
  const problems: { path: string; problems: readonly string[] }[] = [];
  let seq = lastSeq;
  let products = 0n;
  const put = (row: Row, old: Row | undefined, change: 'none' | 'described' | 'content' | 'removed'): void => {
    const was = old?.kind === 'product';
    const is = row.kind === 'product';
    const counts = was || is;
    if (change !== 'none' && counts) seq++;
    products += (is ? 1n : 0n) - (was ? 1n : 0n);
    const numbered = change !== 'none' && counts;
    next.push({
      ...row,
      seq: numbered ? seq : row.seq,
      born_seq: numbered && is && !was ? seq : row.born_seq,
      content_seq: numbered && change === 'content' ? seq : row.content_seq,
    });
  };
  for (const path of paths) {
    const { present, tombstone } = rows.get(path) ?? {};
    if (gone.has(path)) {
      if (present !== undefined) put({ ...present, kind: 'removed', removed_at: new Date() }, present, 'removed');
      continue;
    }
    const file = readPaths.get(path);
    if (file === undefined && present === undefined) continue;
    const own = (facts.get(path) ?? []) as Subject['facts'];
    const made = makeRow(options, path, own, file, present, tombstone);
    if (made.problems.length > 0) problems.push({ path, problems: made.problems });
    if (made.change !== 'none' || present === undefined || !sameStat(statOf(present), statOf(made.row))) {
      put(made.row, present, made.change);
    }
  }
  await saveRows(trx, next);
  if (seq !== lastSeq || products !== 0n) {
    await trx
      .updateTable('archive_state')
      .set((column) => ({ seq, products: column('products', '+', products) }))
      .where('backend', '=', backend)
      .execute();
    await sql`select pg_notify(${CHANNEL}, ${backend})`.execute(trx);
  }
  return { seq, changes: Number(seq - lastSeq), problems };
}

const attributesCodec = list(NamedValue);

/** The row that a file should have, and in what it differs from the one it has. */
function makeRow(
  { backend, mapper, domainOf, clock }: WriterOptions,
  path: string,
  facts: Subject['facts'],
  file: ReadFile | undefined,
  present: Row | undefined,
  tombstone: Row | undefined,
): { readonly row: Row; readonly change: 'none' | 'described' | 'content'; readonly problems: readonly string[] } {
  const before = present ?? tombstone;
  const stat = file?.stat ?? statOf(present!);
  const sha256 = file?.sha256 ?? present!.sha256;
  const sameContent = before !== undefined && Buffer.compare(before.sha256, sha256) === 0;
  const updated = sameContent ? before.updated_ns : updateTime(stat.mtimeNs, before?.updated_ns, clock);
  const wanted = file?.hidden === true || (file === undefined && present?.kind === 'hidden');
  const description = wanted ? null : describeFile(mapper, { path, size: stat.size, updated, facts });
  const row: Row = {
    backend,
    domain: JSON.stringify(domainOf(path)),
    path,
    kind: description === null ? 'hidden' : 'product',
    size: stat.size,
    mtime_ns: stat.mtimeNs,
    inode: stat.inode,
    sha256,
    product_type: description?.productType ?? '',
    source: description?.source ?? null,
    description: description?.description ?? null,
    mime: description?.mime ?? '',
    file_name: description?.fileName ?? null,
    attributes: description === null ? [] : encodeJson(attributesCodec, description.attributes),
    created_ns: description?.created ?? 0n,
    content_start_ns: description?.contentStart ?? 0n,
    content_end_ns: description?.contentEnd ?? 0n,
    updated_ns: updated,
    claim_algorithm: description?.claim?.algorithm ?? null,
    claim_value: description?.claim?.value ?? null,
    seq: before?.seq ?? 0n,
    born_seq: before?.born_seq ?? 0n,
    content_seq: before?.content_seq ?? 0n,
    removed_at: null,
  };
  const problems = description?.problems ?? [];
  if (present === undefined || !sameContent) return { row, change: 'content', problems };
  return { row, change: sameDescription(row, present) ? 'none' : 'described', problems };
}

/** The file's own time, but never back for one path: an older file copied over a newer one is an update all the same. */
function updateTime(mtime: bigint, last: bigint | undefined, clock: () => bigint): bigint {
  if (last === undefined || mtime > last) return mtime;
  const now = clock();
  return now > last ? now : last + 1n;
}

const DESCRIBED = [
  'kind',
  'product_type',
  'source',
  'description',
  'mime',
  'file_name',
  'created_ns',
  'content_start_ns',
  'content_end_ns',
  'claim_algorithm',
] as const satisfies readonly (keyof Row)[];

function sameDescription(a: Row, b: Row): boolean {
  return (
    DESCRIBED.every((column) => a[column] === b[column]) &&
    (a.claim_value === null || b.claim_value === null
      ? a.claim_value === b.claim_value
      : Buffer.compare(a.claim_value, b.claim_value) === 0) &&
    canonical(a.attributes) === canonical(b.attributes)
  );
}

/** jsonb gives keys back in an order of its own. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
      : part,
  );

const statOf = (row: Row): FileStat => ({ size: row.size, mtimeNs: row.mtime_ns, inode: row.inode, ctimeNs: 0n });

/** Replaces what the files say; gives every path that something is or was said of. */
async function replaceFacts(
  trx: Transaction<ArchiveTables>,
  backend: string,
  read: readonly ReadFile[],
  removed: readonly string[],
): Promise<readonly string[]> {
  const origins = [...read.map(({ path }) => path), ...removed];
  const old = await trx
    .deleteFrom('archive_fact')
    .where('backend', '=', backend)
    .where('origin', '=', sql<string>`any(${origins})`)
    .returning('subject')
    .execute();
  const facts = new Map(
    read.flatMap((file) =>
      file.facts.map((fact) => [
        JSON.stringify([fact.subject, fact.kind, file.path]),
        { backend, subject: fact.subject, kind: fact.kind, origin: file.path, facts: safeJson(fact.facts) },
      ]),
    ),
  );
  const rows = [...facts.values()];
  for (let at = 0; at < rows.length; at += 1000) {
    await trx
      .insertInto('archive_fact')
      .values(rows.slice(at, at + 1000))
      .execute();
  }
  return [...old.map(({ subject }) => subject), ...rows.map(({ subject }) => subject)];
}

/** JSON that jsonb takes: no NUL and no half surrogate pairs, in keys and values. */
const safeJson = (value: unknown): string =>
  JSON.stringify(value).replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi, '$1');

async function loadRows(
  trx: Transaction<ArchiveTables>,
  backend: string,
  paths: readonly string[],
): Promise<Map<string, { present?: Row; tombstone?: Row }>> {
  const found = await trx
    .selectFrom('archive_file')
    .selectAll()
    .where('backend', '=', backend)
    .where('path', '=', sql<string>`any(${paths})`)
    .execute();
  const rows = new Map<string, { present?: Row; tombstone?: Row }>();
  for (const row of found) {
    const both = rows.get(row.path) ?? {};
    if (row.kind !== 'removed') both.present = row;
    else if (both.tombstone === undefined || both.tombstone.seq < row.seq) both.tombstone = row;
    rows.set(row.path, both);
  }
  return rows;
}

async function loadFacts(trx: Transaction<ArchiveTables>, backend: string, paths: readonly string[]) {
  const found = await trx
    .selectFrom('archive_fact')
    .select(['subject', 'kind', 'facts'])
    .where('backend', '=', backend)
    .where('subject', '=', sql<string>`any(${paths})`)
    .orderBy('subject')
    .orderBy('kind')
    // What a label says of others comes after what it says of itself, the latest label last.
    .orderBy('origin')
    .execute();
  const bySubject = new Map<string, (typeof found)[number][]>();
  for (const fact of found) bySubject.set(fact.subject, [...(bySubject.get(fact.subject) ?? []), fact]);
  return bySubject;
}

async function saveRows(trx: Transaction<ArchiveTables>, rows: readonly Row[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) {
    const part = rows
      .slice(at, at + 500)
      .map((row): Insertable<FileTable> => ({ ...row, attributes: JSON.stringify(row.attributes) }));
    await trx
      .insertInto('archive_file')
      .values(part)
      .onConflict((conflict) =>
        conflict
          .columns(['backend', 'domain', 'path'])
          .doUpdateSet((column) => Object.fromEntries(CHANGING.map((name) => [name, column.ref(`excluded.${name}`)]))),
      )
      .execute();
  }
}

const CHANGING = [
  'kind',
  'size',
  'mtime_ns',
  'inode',
  'sha256',
  'product_type',
  'source',
  'description',
  'mime',
  'file_name',
  'attributes',
  'created_ns',
  'content_start_ns',
  'content_end_ns',
  'updated_ns',
  'claim_algorithm',
  'claim_value',
  'seq',
  'born_seq',
  'content_seq',
  'removed_at',
] as const satisfies readonly (keyof FileTable)[];
