import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { sql } from 'kysely';
import { appliedMigrations, exportStore, importStore } from '../../store/index.js';
import { CliError, EXIT } from '../exit-codes.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import { withStore } from '../local/store.js';
import { counted, humanSize } from '../output/human.js';
import type { Runner } from '../runner.js';

export function storeCommands(program: Command, { local }: Runner): void {
  const store = program.command('store').description('The database: what is in it, copies of it.');

  local<ConfigOptions>(
    configOption(store.command('status').description('Version, size, migrations and rows of each table.')),
    ['mpd-gateway store status', 'mpd-gateway store status --json'],
    async (tools, options) => {
      const { config } = await readConfig(options, tools);
      const status = await withStore(config, tools.signal, async ({ store: { db }, reach }) => {
        const { rows: tables } = await sql<{ name: string; rows: number; bytes: number }>`
          select relname as name, greatest(reltuples, 0)::float8 as rows, pg_total_relation_size(oid)::float8 as bytes
          from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace order by relname`.execute(
          db,
        );
        const {
          rows: [server],
        } = await sql<{ version: string; size: string }>`
          select current_setting('server_version') as version, pg_size_pretty(pg_database_size(current_database())) as size`.execute(
          db,
        );
        return { reach, version: server!.version, size: server!.size, migrations: await appliedMigrations(db), tables };
      });
      if (tools.out.json) return tools.out.value(status);
      await tools.out.say(
        `PostgreSQL ${status.version} (${status.reach}), ${status.size}\nmigrations ${status.migrations.join(', ')}`,
      );
      await tools.out.list(
        status.tables,
        [
          { head: 'TABLE', text: ({ name }) => name },
          { head: 'ROWS ABOUT', text: ({ rows }) => rows, align: 'right' },
          { head: 'SIZE', text: ({ bytes }) => humanSize(bytes), align: 'right' },
        ],
        (row) => row,
      );
    },
  );

  local<ConfigOptions>(
    configOption(
      store
        .command('export')
        .argument('<file>', 'file, or - for standard output')
        .description('A copy of everything as lines of JSON, as it is at one moment; also beside a running gateway.'),
    ),
    ['mpd-gateway store export backup.ndjson', 'mpd-gateway store export - | zstd > backup.ndjson.zst'],
    async (tools, options, file: string) => {
      const { config } = await readConfig(options, tools);
      const { signal, out, context } = tools;
      const { rows, tables } = await withStore(config, signal, ({ store: { db } }) =>
        file === '-'
          ? exportStore(db, context.stdout as Writable, { keep: KEPT, signal })
          : exportTo(resolve(context.cwd, file), (output) => exportStore(db, output, { keep: KEPT, signal })),
      );
      await out.note(`${counted(rows, 'row')} of ${counted(tables, 'table')} written`);
    },
  );

  local<ConfigOptions>(
    configOption(
      store
        .command('import')
        .argument('<file>', 'file, or - for standard input')
        .description('Fill a new, empty database from a copy; all of it or nothing. No gateway may run on it.'),
    ),
    ['mpd-gateway store import backup.ndjson', 'zstd -dc backup.ndjson.zst | mpd-gateway store import -'],
    async (tools, options, file: string) => {
      const { config } = await readConfig(options, tools);
      const { signal, out, context } = tools;
      const { rows, tables } = await withStore(config, signal, ({ store: { db }, reach }) => {
        if (reach === 'beside a running gateway')
          throw new CliError(EXIT.failed, `a gateway runs on ${config.store.dir}: stop it first`);
        return importStore(db, file === '-' ? context.stdin : createReadStream(resolve(context.cwd, file)), {
          keep: KEPT,
          signal,
        });
      });
      await (out.json
        ? out.value({ rows, tables })
        : out.say(`${counted(rows, 'row')} of ${counted(tables, 'table')} read`));
    },
  );
}

/** What belongs to a database and not to its content: who holds which lease, which generation its event cursors are of. */
const KEPT = ['event_floor', 'lease'];

/** The file appears when it is whole. */
async function exportTo<T>(path: string, write: (output: Writable) => Promise<T>): Promise<T> {
  const partial = `${path}.part`;
  const output = createWriteStream(partial, { mode: 0o600, flush: true });
  try {
    const result = await write(output);
    output.end();
    await finished(output);
    await rename(partial, path);
    return result;
  } catch (error) {
    output.destroy();
    await rm(partial, { force: true });
    throw error;
  }
}
