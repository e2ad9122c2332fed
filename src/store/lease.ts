import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';

/** A table with columns `owner text`, `until timestamptz` and `epoch bigint not null default 0`. */
export interface LeaseTable {
  readonly name: string;
  /** Columns of its primary key. */
  readonly key: readonly string[];
}

/** One row held. Every later update of it says `where … and epoch = <epoch>`: after a takeover that has no effect. */
export interface Lease {
  readonly table: LeaseTable;
  readonly key: Readonly<Record<string, unknown>>;
  readonly owner: string;
  readonly epoch: bigint;
  /** When it was asked for, by `performance.now()`: the database counts from later. */
  readonly since: number;
}

export interface Leased<Row> {
  readonly row: Row;
  readonly lease: Lease;
}

export interface TakeOptions {
  readonly owner: string;
  readonly ttlMs: number;
  readonly limit: number;
  /** Which rows; the table is `t`. Without it every row that nobody holds. */
  readonly where?: RawBuilder<SqlBool>;
  readonly orderBy?: RawBuilder<unknown>;
  /** Further assignments, as in sql`state = 'sending'`. */
  readonly set?: RawBuilder<unknown>;
}

/** An owner name that no other process has ever had. */
export function leaseOwner(): string {
  return `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
}

/**
 * Takes up to `limit` rows that nobody holds, in one short statement that passes over rows being taken by others, and raises
 * their epoch. The rows come in no particular order, as they are after the update. Only the database's clock counts.
 */
export async function takeLeases<Row extends { readonly epoch: bigint }, Database = unknown>(
  db: Kysely<Database>,
  table: LeaseTable,
  { owner, ttlMs, limit, where, orderBy, set }: TakeOptions,
): Promise<readonly Leased<Row>[]> {
  const since = performance.now();
  const name = sql.table(table.name);
  const key = table.key.map((column) => sql.ref(`t.${column}`));
  const same = table.key.map((column) => sql`${sql.ref(`t.${column}`)} = ${sql.ref(`picked.${column}`)}`);
  const { rows } = await sql<Row>`
    with picked as materialized (
      select ${sql.join(key)} from ${name} as t
      where (t.until is null or t.until <= now()) and (${where ?? sql`true`})
      ${orderBy ? sql`order by ${orderBy}` : sql``}
      limit ${limit} for update of t skip locked)
    update ${name} as t set owner = ${owner}, until = ${later(ttlMs)}, epoch = t.epoch + 1 ${set ? sql`, ${set}` : sql``}
    from picked where ${sql.join(same, sql` and `)} returning t.*`.execute(db);
  return rows.map((row) => {
    const values = row as Readonly<Record<string, unknown>>;
    const keyOf = Object.fromEntries(table.key.map((column) => [column, values[column]]));
    return { row, lease: { table, key: keyOf, owner, epoch: row.epoch, since } };
  });
}

/** Extends a lease by `ttlMs` from now; false when it belongs to somebody else or was finished. */
export async function renewLease<Database>(db: Kysely<Database>, lease: Lease, ttlMs: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update ${sql.table(lease.table.name)} set until = ${later(ttlMs)} where ${held(lease)}`.execute(db);
  return numAffectedRows === 1n;
}

/** Lets go at once, so that nobody has to wait for its end; harmless when it is lost already. */
export async function releaseLease<Database>(db: Kysely<Database>, lease: Lease): Promise<void> {
  await sql`update ${sql.table(lease.table.name)} set owner = null, until = null where ${held(lease)}`.execute(db);
}

/** Condition on the row of a lease that is still ours: the end of the `where` of every update under it. */
export function held(lease: Lease): RawBuilder<SqlBool> {
  const parts = Object.entries(lease.key).map(([column, value]) => sql`${sql.ref(column)} = ${value}`);
  // The owner too: a renewal that arrives after the release must not hold the row again.
  return sql<SqlBool>`${sql.join([...parts, sql`epoch = ${lease.epoch}`, sql`owner = ${lease.owner}`], sql` and `)}`;
}

export function later(ttlMs: number): RawBuilder<Date> {
  return sql<Date>`now() + ${ttlMs}::double precision * interval '1 millisecond'`;
}
