import { type Kysely, sql } from 'kysely';
import { rowsAfter } from '../../src/gateway/numbered-feed.js';
import type { FileRecord } from './entry.js';
import type { DataDriveTables, FileTable } from './tables.js';

export interface Seen {
  /** Takes down what the index holds; raises the newest update time seen up to `capMs`. Answers how much was news. */
  note(records: readonly FileRecord[], capMs: bigint): Promise<number>;
  /** Takes down that these are no longer in the index. */
  gone(ids: readonly string[]): Promise<void>;
  state(): Promise<{ readonly seq: bigint; readonly polledMs: bigint; readonly swept: boolean }>;
  /** A comparison of all ids is complete; whether any document was not the newest of its name. */
  swept(namesakes: boolean): Promise<void>;
  /** Whether there may be documents that are not the newest of their name; some seconds old where another gateway looks. */
  namesakes(): Promise<boolean>;
  namesakesFound(): Promise<void>;
  /** Ids known and not removed, after one up to another (null = all), in byte order. */
  idsBetween(after: string, to: string | null, limit: number): Promise<readonly string[]>;
  changesAfter(seq: bigint, limit: number): Promise<readonly FileTable[]>;
}

const KNOWN_MS = 2000;
const newestOf = (times: readonly bigint[]): bigint => times.toSorted((a, b) => Number(a - b)).at(-1) ?? 0n;

/** What was seen of one backend's index, in the gateway's database. */
export function createSeen(db: Kysely<DataDriveTables>, backend: string): Seen {
  let known = { value: false, until: Number.NEGATIVE_INFINITY };
  /** The backend's row, locked until the transaction ends: changes get their numbers in the order of their commits. */
  const locked = async (tx: Kysely<DataDriveTables>): Promise<bigint> => {
    await tx
      .insertInto('datadrive_state')
      .values({ backend, seq: 0n, polled_ms: 0n, swept_at: null })
      .onConflict((conflict) => conflict.column('backend').doNothing())
      .execute();
    const row = await tx
      .selectFrom('datadrive_state')
      .select('seq')
      .where('backend', '=', backend)
      .forUpdate()
      .executeTakeFirstOrThrow();
    return row.seq;
  };

  return {
    note: (records, capMs) =>
      db.transaction().execute(async (tx) => {
        const seq = await locked(tx);
        const rows = records.map(({ id, domain, revision, updatedAt }) => ({
          ...{ id, revision, domain: JSON.stringify(domain), updated_ns: String(updatedAt) },
        }));
        // A record older than what is known comes from a part of the index that lags: it is not news.
        const { rows: written } = await sql`
          with come as (
            select distinct on (id) * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
              as c(id text, domain text, revision text, updated_ns bigint)
            order by id, updated_ns desc
          ), news as (
            select c.*, row_number() over (order by c.updated_ns, c.id) as n, f.id is null or f.removed as born,
              f.revision is distinct from c.revision as content
            from come c left join datadrive_file f on f.backend = ${backend} and f.id = c.id
            where f.id is null or f.removed or (f.updated_ns <= c.updated_ns
              and (f.updated_ns < c.updated_ns or f.revision <> c.revision or f.domain <> c.domain))
          )
          insert into datadrive_file (backend, id, domain, revision, updated_ns, seq, born_seq, content_seq)
          select ${backend}, id, domain, revision, updated_ns, ${seq}::bigint + n, ${seq}::bigint + n, ${seq}::bigint + n
          from news
          on conflict (backend, id) do update set
            domain = excluded.domain, revision = excluded.revision, updated_ns = excluded.updated_ns, removed = false,
            seq = excluded.seq,
            born_seq = case when datadrive_file.removed then excluded.seq else datadrive_file.born_seq end,
            content_seq = case when datadrive_file.removed or datadrive_file.revision <> excluded.revision
              then excluded.seq else datadrive_file.content_seq end
          returning 1`.execute(tx);
        const times = records.map(({ updatedAt }) => updatedAt / 1_000_000n).filter((time) => time <= capMs);
        const ahead = times.length < records.length;
        const polled = ahead ? capMs : newestOf(times);
        await sql`update datadrive_state set seq = ${seq + BigInt(written.length)}::bigint,
          polled_ms = greatest(polled_ms, ${polled}::bigint) where backend = ${backend}`.execute(tx);
        return written.length;
      }),
    gone: (ids) =>
      db.transaction().execute(async (tx) => {
        const seq = await locked(tx);
        const { rows } = await sql`
          with dead as (
            select id, row_number() over (order by id) as n from datadrive_file
            where backend = ${backend} and id = any(${[...ids]}) and not removed
          )
          update datadrive_file f set removed = true, seq = ${seq}::bigint + d.n
          from dead d where f.backend = ${backend} and f.id = d.id returning 1`.execute(tx);
        await sql`update datadrive_state set seq = ${seq + BigInt(rows.length)}::bigint where backend = ${backend}`.execute(
          tx,
        );
      }),
    async state() {
      const row = await db.selectFrom('datadrive_state').selectAll().where('backend', '=', backend).executeTakeFirst();
      return { seq: row?.seq ?? 0n, polledMs: row?.polled_ms ?? 0n, swept: row?.swept_at != null };
    },
    swept: (namesakes) =>
      db.transaction().execute(async (tx) => {
        await locked(tx);
        await sql`update datadrive_state set swept_at = now(), namesakes = ${namesakes}
          where backend = ${backend}`.execute(tx);
        known = { value: namesakes, until: performance.now() + KNOWN_MS };
      }),
    async namesakes() {
      if (performance.now() > known.until) {
        const row = await db
          .selectFrom('datadrive_state')
          .select('namesakes')
          .where('backend', '=', backend)
          .executeTakeFirst();
        known = { value: row?.namesakes ?? false, until: performance.now() + KNOWN_MS };
      }
      return known.value;
    },
    async namesakesFound() {
      if (known.value && performance.now() < known.until) return;
      await sql`update datadrive_state set namesakes = true where backend = ${backend} and not namesakes`.execute(db);
      known = { value: true, until: performance.now() + KNOWN_MS };
    },
    async idsBetween(after, to, limit) {
      const rows = await db
        .selectFrom('datadrive_file')
        .select('id')
        .where('backend', '=', backend)
        .where('removed', '=', false)
        .where('id', '>', after)
        .$if(to !== null, (query) => query.where('id', '<=', to))
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map((row) => row.id);
    },
    changesAfter: (seq, limit) => rowsAfter(db, 'datadrive_file', backend, seq, limit),
  };
}
