import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { type Kysely, sql, type Transaction } from 'kysely';
import { fixTextForms, listSequences, listTables, type TableInfo } from './catalog.js';
import { appliedMigrations } from './migrate.js';

export const FORMAT = 'mpd-gateway-store';
export const FORMAT_VERSION = 1;

/** First line of an export. */
export interface ExportHeader {
  readonly format: typeof FORMAT;
  readonly version: number;
  readonly at: string;
  readonly migrations: readonly string[];
}

export interface TransferOptions {
  /** Tables that are not moved: each store has its own. */
  readonly keep?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface TransferResult {
  readonly tables: number;
  readonly rows: number;
}

const BATCH = 500;

/**
 * Writes every table to `output` as it is at one moment, as lines of JSON: the header; for each table `{table, columns}` and
 * then its rows, arrays of the values' SQL text or null; `{sequence, last, called}`; at the end `{end, rows}`, without which
 * an export is cut off. Transaction numbers (`xid8`) mean nothing elsewhere and are left out. Memory stays bounded.
 */
export async function exportStore<Database>(
  db: Kysely<Database>,
  output: Writable,
  { keep = [], signal }: TransferOptions = {},
): Promise<TransferResult> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      await fixTextForms(trx);
      const tables = await listTables(trx, keep);
      const write = writer(output, signal);
      const header: ExportHeader = {
        format: FORMAT,
        version: FORMAT_VERSION,
        at: new Date().toISOString(),
        migrations: await appliedMigrations(trx),
      };
      await write(JSON.stringify(header));
      let rows = 0;
      for (const table of tables) rows += await exportTable(trx, table, write);
      for (const name of await listSequences(trx, keep)) {
        const found = await sql<{ last: bigint; called: boolean }>`
          select last_value as last, is_called as called from ${sql.table(name)}`.execute(trx);
        const { last, called } = found.rows[0]!;
        await write(JSON.stringify({ sequence: name, last: String(last), called }));
      }
      await write(JSON.stringify({ end: true, rows }));
      return { tables: tables.length, rows };
    });
}

type Write = (line: string) => Promise<void>;

async function exportTable<Database>(trx: Transaction<Database>, table: TableInfo, write: Write): Promise<number> {
  const columns = table.columns.filter(({ type }) => type !== 'xid8');
  await write(JSON.stringify({ table: table.name, columns: columns.map(({ name }) => name) }));
  const texts = columns.map(({ name }) => sql`${sql.ref(name)}::text`);
  await sql`declare rows no scroll cursor for
    select array_to_json(array[${sql.join(texts)}]::text[])::text as line from ${sql.table(table.name)}`.execute(trx);
  let count = 0;
  for (;;) {
    const { rows } = await sql<{ line: string }>`fetch ${sql.lit(BATCH)} from rows`.execute(trx);
    for (const { line } of rows) await write(line);
    count += rows.length;
    if (rows.length < BATCH) break;
  }
  await sql`close rows`.execute(trx);
  return count;
}

/** Lines to a stream no faster than it takes them; fails when it fails. */
function writer(output: Writable, signal: AbortSignal | undefined): Write {
  let failure: Error | undefined;
  output.once('error', (error: Error) => {
    failure = error;
  });
  return async (line) => {
    signal?.throwIfAborted();
    if (failure) throw failure;
    if (!output.write(`${line}\n`)) await once(output, 'drain', signal ? { signal } : {});
  };
}
