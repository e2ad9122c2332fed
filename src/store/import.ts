import { type Kysely, sql, type Transaction } from 'kysely';
import { fixTextForms, listTables, type TableInfo } from './catalog.js';
import { type ExportHeader, FORMAT, FORMAT_VERSION, type TransferOptions, type TransferResult } from './export.js';
import { readLines } from './lines.js';
import { appliedMigrations } from './migrate.js';

const LINE_MAX = 256 * 1024 * 1024;
const BATCH_ROWS = 1000;
const BATCH_CHARS = 4 * 1024 * 1024;

/**
 * Reads what `exportStore` wrote into a migrated store without rows, all of it or nothing. The store may be newer than the
 * export, not older. Columns that the export lacks get their defaults.
 */
export async function importStore<Database>(
  db: Kysely<Database>,
  input: AsyncIterable<Uint8Array>,
  { keep = [], signal }: TransferOptions = {},
): Promise<TransferResult> {
  const lines = readLines(input, LINE_MAX);
  return db.transaction().execute(async (trx) => {
    await fixTextForms(trx);
    const header = parse(await next(lines));
    await checkHeader(trx, header);
    const tables = new Map((await listTables(trx, keep)).map((table) => [table.name, table]));
    await checkEmpty(trx, [...tables.keys()]);
    const restore = await dropForeignKeys(trx);
    const result = await readBody(trx, lines, tables, signal);
    await restore();
    return result;
  });
}

async function readBody<Database>(
  trx: Transaction<Database>,
  lines: AsyncGenerator<string>,
  tables: ReadonlyMap<string, TableInfo>,
  signal: AbortSignal | undefined,
): Promise<TransferResult> {
  let insert: RowInserter | undefined;
  let count = 0;
  let rows = 0;
  for await (const line of lines) {
    signal?.throwIfAborted();
    if (line.startsWith('[')) {
      if (!insert) throw new Error('a row comes before any table');
      rows += 1;
      await insert.add(line);
      continue;
    }
    await insert?.flush();
    insert = undefined;
    const item = parse(line);
    if (typeof item.table === 'string') {
      const table = tables.get(item.table);
      if (!table) throw new Error(`the store has no table ${item.table}`);
      insert = rowInserter(trx, table, item.columns as readonly string[]);
      count += 1;
    } else if (typeof item.sequence === 'string') {
      await sql`select setval(${quoted(item.sequence)}::regclass, ${item.last}::bigint, ${item.called}::boolean)`.execute(
        trx,
      );
    } else if (item.end === true) {
      if (item.rows !== rows) throw new Error(`the export says ${item.rows} rows and holds ${rows}`);
      return { tables: count, rows };
    } else throw new Error(`not a line of an export: ${line.slice(0, 100)}`);
  }
  throw new Error('the export is cut off: its last line is missing');
}

interface RowInserter {
  add(line: string): Promise<void>;
  flush(): Promise<void>;
}

/** Hands lines to the server in batches; it reads the values itself, so that every type keeps every digit. */
function rowInserter<Database>(trx: Transaction<Database>, table: TableInfo, given: readonly string[]): RowInserter {
  const columns = given.map((name) => {
    const column = table.columns.find((each) => each.name === name);
    if (!column) throw new Error(`table ${table.name} of the store has no column ${name}`);
    return column;
  });
  const values = columns.map(({ type }, at) => sql`(r.v ->> ${sql.lit(at)})::${sql.raw(type)}`);
  const ownXids = table.columns.filter(
    ({ name, type, hasDefault }) => type === 'xid8' && !hasDefault && !given.includes(name),
  );
  const names = [...columns, ...ownXids].map(({ name }) => sql.ref(name));
  const all = [...values, ...ownXids.map(() => sql`pg_current_xact_id()`)];
  let batch: string[] = [];
  let chars = 0;
  const flush = async () => {
    if (batch.length === 0) return;
    const rows = `[${batch.join(',')}]`;
    batch = [];
    chars = 0;
    await sql`insert into ${sql.table(table.name)} (${sql.join(names)}) overriding system value
      select ${sql.join(all)} from jsonb_array_elements(${rows}::jsonb) as r(v)`.execute(trx);
  };
  return {
    async add(line) {
      batch.push(line);
      chars += line.length;
      if (batch.length >= BATCH_ROWS || chars >= BATCH_CHARS) await flush();
    },
    flush,
  };
}

async function checkHeader<Database>(trx: Transaction<Database>, header: Record<string, unknown>): Promise<void> {
  const { format, version, migrations } = header as unknown as ExportHeader;
  if (format !== FORMAT || !Array.isArray(migrations)) throw new Error('this is not an export of a gateway store');
  if (version > FORMAT_VERSION)
    throw new Error(`the export has format version ${version}, this gateway reads up to ${FORMAT_VERSION}`);
  const applied = new Set(await appliedMigrations(trx));
  const missing = migrations.filter((name) => !applied.has(name));
  if (missing.length > 0)
    throw new Error(`the export comes from a newer or another gateway: the store lacks ${missing.join(', ')}`);
}

/** Also keeps everybody else out until the end. */
async function checkEmpty<Database>(trx: Transaction<Database>, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await sql`lock table ${sql.table(name)} in access exclusive mode nowait`.execute(trx);
    const { rows } = await sql`select from ${sql.table(name)} limit 1`.execute(trx);
    if (rows.length > 0) throw new Error(`the store is not empty: table ${name} has rows; import needs a new store`);
  }
}

/** Rows come table by table, not in the order of their references: those are checked together at the end. */
async function dropForeignKeys<Database>(trx: Transaction<Database>): Promise<() => Promise<void>> {
  const { rows } = await sql<{ table: string; name: string; definition: string }>`
    select conrelid::regclass::text as "table", quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' and conparentid = 0 and connamespace = current_schema()::regnamespace`.execute(
    trx,
  );
  for (const { table, name } of rows) await sql.raw(`alter table ${table} drop constraint ${name}`).execute(trx);
  return async () => {
    for (const { table, name, definition } of rows)
      await sql.raw(`alter table ${table} add constraint ${name} ${definition}`).execute(trx);
  };
}

async function next(lines: AsyncGenerator<string>): Promise<string> {
  const { value, done } = await lines.next();
  if (done) throw new Error('the export is empty');
  return value;
}

function parse(line: string): Record<string, unknown> {
  try {
    const value = JSON.parse(line) as unknown;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Reported with the text below.
  }
  throw new Error(`not a line of an export: ${line.slice(0, 100)}`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
