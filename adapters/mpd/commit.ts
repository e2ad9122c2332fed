import { type Kysely, sql, type Transaction } from 'kysely';
import { withRetry } from '../../src/store/index.js';
import type { Remote } from './entry.js';
import { CHANNEL, type MpdTables } from './tables.js';

const BATCH = 500;

/** Writes what the provider says into the index; every difference gets the next change number. */
export interface MpdIndex {
  /** Starts a complete listing: what it does not name is gone at its end. */
  begin(): Promise<bigint>;
  /** @param again the provider published these: the same once more is meant, too */
  write(products: readonly Remote[], scan: bigint | null, again?: boolean): Promise<void>;
  end(scan: bigint): Promise<void>;
  problem(text: string | null): Promise<void>;
  /** Creation time of the newest product, in ns. */
  newest(): Promise<bigint | null>;
  /** Forgets removals older than so many ms. */
  forget(retentionMs: number): Promise<void>;
}

interface Known {
  readonly domain: string;
  readonly key: string;
  readonly version: bigint;
  readonly digest: string;
  readonly revision: string;
  readonly removed: boolean;
}

export function mpdIndex(db: Kysely<MpdTables>, backend: string): MpdIndex {
  async function lock(tx: Kysely<MpdTables>): Promise<bigint> {
    await sql`insert into mpd_state (backend) values (${backend}) on conflict do nothing`.execute(tx);
    const { rows } = await sql<{ seq: bigint }>`
      select seq from mpd_state where backend = ${backend} for update`.execute(tx);
    return rows[0]!.seq;
  }

  const told = async (tx: Kysely<MpdTables>, seq: bigint): Promise<void> => {
    await sql`update mpd_state set seq = ${seq} where backend = ${backend}`.execute(tx);
    await sql`select pg_notify(${CHANNEL}, ${backend})`.execute(tx);
  };

  async function writeBatch(
    tx: Transaction<MpdTables>,
    products: readonly Remote[],
    scan: bigint | null,
    again: boolean,
  ): Promise<void> {
    const before = await lock(tx);
    const places = JSON.stringify(products.map(({ domain, key }) => ({ domain, key })));
    const { rows } = await sql<Known>`
      select p.domain, p.key, p.version, p.digest, p.revision, p.removed_at is not null as removed
      from mpd_product p join jsonb_to_recordset(${places}::jsonb) as w(domain text, key text)
        on p.domain = w.domain and p.key = w.key
      where p.backend = ${backend}`.execute(tx);
    const known = new Map(rows.map((row) => [`${row.domain} ${row.key}`, row]));
    let seq = before;
    const changed: Record<string, unknown>[] = [];
    for (const product of products) {
      const row = known.get(`${product.domain} ${product.key}`);
      const kind = kindOf(product, row, again);
      if (kind === 'older' || kind === 'same') continue;
      seq += 1n;
      changed.push({ ...columns(product), seq: String(seq), kind });
    }
    if (changed.length > 0) {
      await upsert(tx, changed);
      await told(tx, seq);
    }
    if (scan === null) return;
    const seen = products.filter(
      (product) => kindOf(product, known.get(`${product.domain} ${product.key}`), false) !== 'older',
    );
    const marks = JSON.stringify(seen.map(({ domain, key }) => ({ domain, key })));
    await sql`
      update mpd_product p set scan = ${scan} from jsonb_to_recordset(${marks}::jsonb) as w(domain text, key text)
      where p.backend = ${backend} and p.domain = w.domain and p.key = w.key`.execute(tx);
  }

  const upsert = (tx: Transaction<MpdTables>, changed: readonly Record<string, unknown>[]) =>
    sql`
    insert into mpd_product as p (backend, domain, key, version, product_type, metadata, digest, revision, created_ns,
      content_start_ns, content_end_ns, updated_ns, seq, born_seq, content_seq, again_seq, scan)
    select ${backend}, w.domain, w.key, w.version, w.product_type, w.metadata, w.digest, w.revision, w.created_ns,
      w.content_start_ns, w.content_end_ns, w.updated_ns, w.seq, w.seq, w.seq, 0, 0
    from jsonb_to_recordset(${JSON.stringify(changed)}::jsonb) as w(domain text, key text, version bigint, product_type text,
      metadata jsonb, digest text, revision text, created_ns bigint, content_start_ns bigint, content_end_ns bigint,
      updated_ns bigint, seq bigint, kind text)
    on conflict (backend, domain, key) do update set version = excluded.version, product_type = excluded.product_type,
      metadata = excluded.metadata, digest = excluded.digest, created_ns = excluded.created_ns,
      content_start_ns = excluded.content_start_ns, content_end_ns = excluded.content_end_ns, updated_ns = excluded.updated_ns,
      seq = excluded.seq,
      born_seq = case when p.removed_at is null then p.born_seq else excluded.seq end,
      content_seq = case when p.removed_at is null and p.revision = excluded.revision then p.content_seq else excluded.seq end,
      again_seq = case when p.removed_at is null and p.digest = excluded.digest then excluded.seq else p.again_seq end,
      revision = excluded.revision, removed_at = null`.execute(tx);

  return {
    begin: () =>
      withRetry(db, async (tx) => {
        await lock(tx);
        const { rows } = await sql<{ scan: bigint }>`
          update mpd_state set scan = scan + 1 where backend = ${backend} returning scan`.execute(tx);
        return rows[0]!.scan;
      }),
    async write(products, scan, again = false) {
      const latest = new Map<string, Remote>();
      for (const product of products) {
        const place = `${product.domain} ${product.key}`;
        const other = latest.get(place);
        if (other === undefined || other.version <= product.version) latest.set(place, product);
      }
      const unique = [...latest.values()];
      for (let i = 0; i < unique.length; i += BATCH) {
        await withRetry(db, (tx) => writeBatch(tx, unique.slice(i, i + BATCH), scan, again));
      }
    },
    end: (scan) =>
      withRetry(db, async (tx) => {
        const before = await lock(tx);
        const { rows } = await sql<{ seq: bigint }>`
          with gone as (
            select domain, key, ${before}::bigint + row_number() over (order by domain, key) as seq from mpd_product
            where backend = ${backend} and removed_at is null and scan < ${scan})
          update mpd_product p set removed_at = now(), seq = gone.seq from gone
          where p.backend = ${backend} and p.domain = gone.domain and p.key = gone.key returning p.seq`.execute(tx);
        await sql`update mpd_state set read_at = now(), problem = null where backend = ${backend}`.execute(tx);
        await told(tx, before + BigInt(rows.length));
      }),
    async problem(text) {
      await sql`insert into mpd_state (backend, problem) values (${backend}, ${text})
        on conflict (backend) do update set problem = ${text}`.execute(db);
    },
    async newest() {
      const row = await db
        .selectFrom('mpd_product')
        .select('created_ns')
        .where('backend', '=', backend)
        .where('removed_at', 'is', null)
        .orderBy('created_ns', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row?.created_ns ?? null;
    },
    async forget(retentionMs) {
      await sql`delete from mpd_product where backend = ${backend}
        and removed_at < now() - make_interval(secs => ${retentionMs / 1000})`.execute(db);
    },
  };
}

/** `older`: the index has a later version; of one key the latest is current. */
function kindOf(product: Remote, row: Known | undefined, again: boolean): 'changed' | 'again' | 'same' | 'older' {
  if (row === undefined || row.removed) return 'changed';
  if (row.version > BigInt(product.version)) return 'older';
  if (row.revision !== product.revision || row.digest !== product.digest) return 'changed';
  return again ? 'again' : 'same';
}

function columns({
  domain,
  key,
  version,
  metadata,
  json,
  digest,
  revision,
  updatedNs,
}: Remote): Record<string, unknown> {
  const { creationDate, contentDate, productType } = metadata;
  return {
    domain,
    key,
    version,
    product_type: productType.name,
    metadata: JSON.parse(json),
    digest,
    revision,
    created_ns: String(creationDate),
    content_start_ns: String(contentDate.start),
    content_end_ns: String(contentDate.end),
    updated_ns: String(updatedNs),
  };
}
