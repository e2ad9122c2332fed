import { type Kysely, sql } from 'kysely';

/** A table of the current schema as the server's catalogue describes it. */
export interface TableInfo {
  readonly name: string;
  readonly columns: readonly ColumnInfo[];
}

export interface ColumnInfo {
  readonly name: string;
  /** As in a cast: `bigint`, `text[]`, `character varying(10)`. */
  readonly type: string;
  readonly hasDefault: boolean;
}

/** What belongs to one database and never moves to another. */
const LOCAL_TABLES = ['schema_migration', 'lease'];

/** Tables with their stored columns (generated ones left out), by name, without `keep` and the store's own. */
export async function listTables<Database>(
  db: Kysely<Database>,
  keep: readonly string[],
): Promise<readonly TableInfo[]> {
  const { rows } = await sql<{ table: string; column: string; type: string; hasDefault: boolean }>`
    select c.relname as "table", a.attname as "column", format_type(a.atttypid, a.atttypmod) as type,
      a.atthasdef or a.attidentity <> '' as "hasDefault"
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and c.relname <> all(${[...LOCAL_TABLES, ...keep]}::text[])
    order by c.relname, a.attnum`.execute(db);
  const tables = new Map<string, ColumnInfo[]>();
  for (const { table, column, type, hasDefault } of rows) {
    const columns = tables.get(table) ?? [];
    tables.set(table, columns);
    columns.push({ name: column, type, hasDefault });
  }
  return [...tables].map(([name, columns]) => ({ name, columns }));
}

/** Sequences of the current schema that feed no column of `keep` and no table of the store's own. */
export async function listSequences<Database>(
  db: Kysely<Database>,
  keep: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select s.relname as name from pg_class s
    where s.relnamespace = current_schema()::regnamespace and s.relkind = 'S' and not exists (
      select from pg_depend d join pg_class t on t.oid = d.refobjid
      where d.objid = s.oid and d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
        and d.deptype in ('a', 'i') and t.relname = any(${[...LOCAL_TABLES, ...keep]}::text[]))
    order by s.relname`.execute(db);
  return rows.map(({ name }) => name);
}

/** Text forms that mean the same to every server. */
export async function fixTextForms<Database>(db: Kysely<Database>): Promise<void> {
  await sql`select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true),
    set_config('intervalstyle', 'postgres', true), set_config('bytea_output', 'hex', true),
    set_config('extra_float_digits', '1', true)`.execute(db);
}
