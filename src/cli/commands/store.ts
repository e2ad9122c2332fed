import type { Command } from 'commander';
import { sql } from 'kysely';
import { appliedMigrations } from '../../store/index.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import { withStore } from '../local/store.js';
import { humanSize } from '../output/human.js';
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
}
