import { type Kysely, sql } from 'kysely';

/** The database's clock, ns since 1970 UTC: the one clock all gateways share. */
export async function databaseNow(db: Kysely<never> | Kysely<unknown>): Promise<bigint> {
  const { rows } = await sql<{ now: bigint }>`
    select (extract(epoch from clock_timestamp()) * 1000000)::bigint * 1000 as now`.execute(db as Kysely<unknown>);
  return rows[0]!.now;
}
