import { type Kysely, type Migration, sql } from 'kysely';
import { type Log, silentLog } from './log.js';

export type Migrations = Readonly<Record<string, Migration>>;

/** Any number that nobody else uses for an advisory lock. */
const LOCK = 5_220_201n;

/** Tables of the store itself: named leases (`lease.ts`). */
export const storeMigrations: Migrations = {
  'store-0001': {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`create table lease (name text primary key, owner text, until timestamptz, epoch bigint not null default 0)`.execute(
        db,
      );
    },
  },
};

/**
 * Applies, in the given order and in one transaction, the migrations that the database does not have; gives their names.
 * Safe from several processes at once. A database that is ahead (a newer gateway shares it) is fine: migrations only add.
 */
export async function migrate<Database>(
  db: Kysely<Database>,
  migrations: Migrations,
  log: Log = silentLog,
): Promise<readonly string[]> {
  return db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${LOCK})`.execute(trx);
    await sql`create table if not exists schema_migration (
      name text primary key, applied_at timestamptz not null default now())`.execute(trx);
    const applied = new Set(await appliedMigrations(trx));
    const ahead = [...applied].filter((name) => !Object.hasOwn(migrations, name));
    if (ahead.length > 0) log.warn({ migrations: ahead }, 'the store has migrations of a newer gateway');
    const done: string[] = [];
    for (const [name, migration] of Object.entries(migrations)) {
      if (applied.has(name)) continue;
      await migration.up(trx);
      await sql`insert into schema_migration (name) values (${name})`.execute(trx);
      done.push(name);
    }
    if (done.length > 0) log.info({ migrations: done }, 'the store was migrated');
    return done;
  });
}

/** Names in order of application; none in a database that was never migrated. */
export async function appliedMigrations<Database>(db: Kysely<Database>): Promise<readonly string[]> {
  const { rows: found } = await sql<{
    there: boolean;
  }>`select to_regclass('schema_migration') is not null as there`.execute(db);
  if (!found[0]?.there) return [];
  const { rows } = await sql<{ name: string }>`select name from schema_migration order by applied_at, name`.execute(db);
  return rows.map(({ name }) => name);
}
