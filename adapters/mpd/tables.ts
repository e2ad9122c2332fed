import { type ColumnType, type Kysely, type Migration, sql } from 'kysely';

export interface MpdTables {
  mpd_state: StateTable;
  mpd_product: ProductTable;
  mpd_order: OrderTable;
  mpd_remote_order: RemoteOrderTable;
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
  /** Tells the orders of this gateway from those of others; made by the database. */
  token: ColumnType<string, never, never>;
}

/** An order here that wants what the provider has. */
export interface OrderTable {
  backend: string;
  order_id: string;
  /** Its filter; null = everything. */
  tree: ColumnType<unknown, string | null, string | null>;
  /** End of its validity, ns since 1970 UTC. */
  until_ns: bigint | null;
}

/** What this gateway has ordered at the provider. */
export interface RemoteOrderTable {
  backend: string;
  /** ProductFilter as JSON. */
  filter: string;
  /** null: not known, because the answer was lost and the provider's list does not tell. */
  remote_id: bigint | null;
  state: 'ordering' | 'ordered' | 'refused';
  reason: string | null;
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

const second: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of ORDERS) await sql.raw(statement).execute(db);
  },
};

const ORDERS = [
  `alter table mpd_state add column token text not null default substr(md5(random()::text), 1, 8)`,
  `create table mpd_order (
    backend text not null, order_id text not null, tree jsonb, until_ns bigint, primary key (backend, order_id)
  )`,
  `create table mpd_remote_order (
    backend text not null, filter text not null, remote_id bigint, state text not null, reason text,
    primary key (backend, filter)
  )`,
];

export const migrations: Readonly<Record<string, Migration>> = { 'mpd-0001': first, 'mpd-0002': second };

/** Channel on which whoever reads the provider tells every gateway that `payload`, a backend, has changes. */
export const CHANNEL = 'mpd_federation';

/** Channel on which a gateway tells that what is wanted of `payload`, a backend, has changed. */
export const WANTED_CHANNEL = 'mpd_federation_wanted';
