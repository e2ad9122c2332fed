import { type ColumnType, type Kysely, type Migration, sql } from 'kysely';

export interface MpdTables {
  mpd_state: StateTable;
  mpd_product: ProductTable;
}

/** One row per backend; its row lock orders the writers of the index. */
export interface StateTable {
  backend: string;
  /** Last change number given. */
  seq: bigint;
  /** Number of the last complete listing, or of the one under way. */
  scan: bigint;
  /** When everything was last listed. */
  read_at: ColumnType<Date | null, Date | null, Date | null>;
  problem: string | null;
}

/** Times are ns since 1970 UTC; numbers of changes in `seq` (last), `born_seq`, `content_seq`, `again_seq`. */
export interface ProductTable {
  backend: string;
  /** As JSON. */
  domain: string;
  key: string;
  version: bigint;
  product_type: string;
  metadata: ColumnType<unknown, string, string>;
  /** Of the metadata. */
  digest: string;
  revision: string;
  created_ns: bigint;
  content_start_ns: bigint;
  content_end_ns: bigint;
  updated_ns: bigint;
  seq: bigint;
  born_seq: bigint;
  content_seq: bigint;
  again_seq: bigint;
  scan: bigint;
  removed_at: ColumnType<Date | null, Date | null, Date | null>;
}

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS = [
  `create table mpd_state (
    backend text primary key, seq bigint not null default 0, scan bigint not null default 0, read_at timestamptz, problem text
  )`,
  `create table mpd_product (
    backend text not null, domain text collate "C" not null, key text collate "C" not null, version bigint not null,
    product_type text collate "C" not null, metadata jsonb not null, digest text not null, revision text not null,
    created_ns bigint not null, content_start_ns bigint not null, content_end_ns bigint not null, updated_ns bigint not null,
    seq bigint not null, born_seq bigint not null, content_seq bigint not null, again_seq bigint not null,
    scan bigint not null, removed_at timestamptz, primary key (backend, domain, key)
  )`,
  `create index mpd_product_seq on mpd_product (backend, seq)`,
  `create index mpd_product_created on mpd_product (backend, created_ns, key, version, domain) where removed_at is null`,
  `create index mpd_product_updated on mpd_product (backend, updated_ns, key, version, domain) where removed_at is null`,
  `create index mpd_product_type on mpd_product (backend, product_type, created_ns, key) where removed_at is null`,
];

export const migrations: Readonly<Record<string, Migration>> = { 'mpd-0001': first };

/** Channel on which whoever reads the provider tells every gateway that `payload`, a backend, has changes. */
export const CHANNEL = 'mpd_federation';
