import { type Kysely, sql, type Transaction } from 'kysely';
import { parseTime } from '../../src/formats/time.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { withRetry } from '../../src/store/index.js';
import { fieldsOf, type NewRow, type ProductRow, selectionKey } from './entry.js';
import type { CatalogueRecord } from './service.js';
import type { SiteProfile } from './site.js';
import { CHANNEL, type EddsTables, type ProductTable } from './tables.js';

export interface IndexOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly mapper: ProductMapper;
  readonly profile: SiteProfile;
  readonly clock: () => bigint;
}

/** The index of what EDDS holds, in the gateway's database: each change has a number, in the order of commits. */
export function eddsIndex(options: IndexOptions) {
  const { db, backend, mapper, profile, clock } = options;

  const write = async (
    work: (trx: Transaction<EddsTables>, put: (row: NewRow, change: Change) => void) => Promise<void>,
  ): Promise<void> => {
    await withRetry(db, async (trx) => {
      await trx
        .insertInto('edds_state')
        .values({ backend, seq: 0n, read_at: null, checked_at: null, problem: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const state = await trx
        .selectFrom('edds_state')
        .select('seq')
        .where('backend', '=', backend)
        .forUpdate()
        .executeTakeFirstOrThrow();
      let { seq } = state;
      const rows: NewRow[] = [];
      await work(trx, (row, change) => {
        if (change !== 'silent') seq++;
        rows.push({
          ...row,
          ...(change !== 'silent' && { seq }),
          ...(change === 'new' && { born_seq: seq, content_seq: seq }),
          ...(change === 'updated' && { content_seq: seq }),
        });
      });
      await save(trx, rows);
      if (seq !== state.seq) {
        await trx.updateTable('edds_state').set({ seq }).where('backend', '=', backend).execute();
        await sql`select pg_notify(${CHANNEL}, ${backend})`.execute(trx);
      }
    });
  };

  return {
    /** Puts a whole catalogue into the index: what is new, changed and gone. */
    async catalogue(records: readonly CatalogueRecord[]): Promise<void> {
      const wanted = new Map<string, NewRow>();
      for (const record of records) {
        const row = rowOf(record);
        if (row !== null) wanted.set(row.key, row);
      }
      await write(async (trx, put) => {
        const present = new Map(
          (
            await trx
              .selectFrom('edds_product')
              .selectAll()
              .where('backend', '=', backend)
              .where('kind', 'in', ['file', 'selection', 'removed'])
              .execute()
          ).map((row) => [row.key, row]),
        );
        for (const row of wanted.values()) {
          const before = present.get(row.key);
          const change = changeOf(before, row);
          if (change === 'none') continue;
          const numbers =
            before === undefined ? {} : { seq: before.seq, born_seq: before.born_seq, content_seq: before.content_seq };
          // The same content keeps its time, and another one is never older than the one it replaces.
          const updated_ns =
            before === undefined || change !== 'updated'
              ? row.updated_ns
              : later(BigInt(row.updated_ns), before.updated_ns + 1n);
          put({ ...row, ...numbers, updated_ns }, change);
        }
        for (const row of present.values()) {
          if (row.kind === 'removed' || wanted.has(row.key)) continue;
          if (row.kind === 'selection')
            await trx.deleteFrom('edds_product').where('backend', '=', backend).where('key', '=', row.key).execute();
          else put({ ...row, record: JSON.stringify(row.record), kind: 'removed', removed_at: new Date() }, 'removed');
        }
        await trx
          .updateTable('edds_state')
          .set({ checked_at: new Date(), problem: null, read_at: sql<Date>`coalesce(read_at, now())` })
          .where('backend', '=', backend)
          .execute();
      });
    },

    /** A part that a job has made; told once. `also` goes into the same transaction and may say more of it. */
    async part(
      row: Omit<NewRow, 'backend' | 'seq' | 'born_seq' | 'content_seq' | 'removed_at' | 'kind'>,
      also: (trx: Transaction<EddsTables>) => Promise<Partial<NewRow>>,
    ): Promise<void> {
      await write(async (trx, put) => {
        const more = await also(trx);
        const there = await trx
          .selectFrom('edds_product')
          .select('key')
          .where('backend', '=', backend)
          .where('key', '=', row.key)
          .executeTakeFirst();
        if (there === undefined) {
          put(
            { ...row, ...more, backend, kind: 'part', seq: 0n, born_seq: 0n, content_seq: 0n, removed_at: null },
            'new',
          );
        }
      });
    },

    /** Parts whose request EDDS has dropped, or made anew under another name. */
    async gone(keys: readonly string[]): Promise<void> {
      if (keys.length === 0) return;
      await write(async (trx, put) => {
        const rows = await trx
          .selectFrom('edds_product')
          .selectAll()
          .where('backend', '=', backend)
          .where('key', 'in', keys)
          .where('kind', '=', 'part')
          .execute();
        for (const row of rows)
          put({ ...row, record: JSON.stringify(row.record), kind: 'removed', removed_at: new Date() }, 'removed');
      });
    },

    async problem(text: string): Promise<void> {
      await db
        .insertInto('edds_state')
        .values({ backend, seq: 0n, read_at: null, checked_at: null, problem: text })
        .onConflict((conflict) => conflict.column('backend').doUpdateSet({ problem: text }))
        .execute();
    },

    /** Forgets removals that are older than `retention` milliseconds. */
    async forget(retention: number): Promise<void> {
      await db
        .deleteFrom('edds_product')
        .where('backend', '=', backend)
        .where('kind', '=', 'removed')
        .where('removed_at', '<', new Date(Date.now() - retention))
        .execute();
    },

    find: async (keys: readonly string[]): Promise<Map<string, ProductRow>> => {
      const found = new Map<string, ProductRow>();
      for (let at = 0; at < keys.length; at += 1000) {
        const rows = await db
          .selectFrom('edds_product')
          .selectAll()
          .where('backend', '=', backend)
          .where('kind', '<>', 'removed')
          .where('key', 'in', keys.slice(at, at + 1000))
          .execute();
        for (const row of rows) found.set(row.key, row);
      }
      return found;
    },

    selections: (): Promise<ProductRow[]> =>
      db
        .selectFrom('edds_product')
        .selectAll()
        .where('backend', '=', backend)
        .where('kind', '=', 'selection')
        .orderBy('key')
        .execute(),
  };

  function rowOf(record: CatalogueRecord): NewRow | null {
    const rule = profile.types[record.dataType ?? ''];
    if (rule === undefined) return null;
    const file = rule.content === 'file';
    const key = file ? (record.fileName ?? record.name) : selectionKey(record);
    if (key === undefined || key === '') return null;
    const fields = Object.fromEntries(Object.entries(record).map(([name, value]) => [`record.${name}`, value]));
    const described = mapper.describe(fieldsOf({ kind: file ? 'file' : 'selection', record: fields }));
    if (described === null) return null;
    const time = (text: string | undefined): bigint | null => (text === undefined ? null : parseTime(text));
    const changed = time(record.fileTime);
    const begin = time(record.begin) ?? changed ?? clock();
    const end = time(record.end) ?? begin;
    const created = described.created ?? changed ?? begin;
    return {
      backend,
      key,
      kind: file ? 'file' : 'selection',
      product_type: described.productType,
      record: JSON.stringify(fields),
      created_ns: created,
      content_start_ns: described.contentStart ?? begin,
      content_end_ns: later(described.contentEnd ?? end, begin),
      updated_ns: changed ?? created,
      size: file && /^\d+$/.test(record.fileSize ?? '') ? BigInt(record.fileSize!) : null,
      mime: described.mime ?? (file ? 'application/octet-stream' : 'text/xml'),
      revision: file ? `${record.fileTime ?? ''}|${record.fileSize ?? ''}` : 'on-request',
      sha256: null,
      request_id: null,
      ordinal: null,
      seq: 0n,
      born_seq: 0n,
      content_seq: 0n,
      removed_at: null,
    };
  }
}

export type EddsIndex = ReturnType<typeof eddsIndex>;

type Change = 'new' | 'updated' | 'touched' | 'removed' | 'silent';

function changeOf(before: ProductRow | undefined, row: NewRow): Exclude<Change, 'removed'> | 'none' {
  if (row.kind === 'selection') {
    const same = before !== undefined && sameRecord(before, row) && before.content_end_ns === row.content_end_ns;
    return same ? 'none' : 'silent';
  }
  if (before === undefined || before.kind === 'removed') return 'new';
  if (before.revision !== row.revision) return 'updated';
  return sameRecord(before, row) ? 'none' : 'touched';
}

/** jsonb gives keys back in an order of its own. */
function sameRecord(before: ProductRow, row: NewRow): boolean {
  const sorted = (record: object): string =>
    JSON.stringify(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(before.record) === sorted(JSON.parse(row.record) as object);
}

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);

async function save(trx: Transaction<EddsTables>, rows: readonly NewRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) {
    await trx
      .insertInto('edds_product')
      .values(rows.slice(at, at + 500))
      .onConflict((conflict) =>
        conflict
          .columns(['backend', 'key'])
          .doUpdateSet((column) => Object.fromEntries(CHANGING.map((name) => [name, column.ref(`excluded.${name}`)]))),
      )
      .execute();
  }
}

const CHANGING = [
  'kind',
  'product_type',
  'record',
  'created_ns',
  'content_start_ns',
  'content_end_ns',
  'updated_ns',
  'size',
  'mime',
  'revision',
  'sha256',
  'request_id',
  'ordinal',
  'seq',
  'born_seq',
  'content_seq',
  'removed_at',
] as const satisfies readonly (keyof ProductTable)[];
