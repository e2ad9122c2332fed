import { type ColumnType, type Generated, type Kysely, type Migration, sql } from 'kysely';

export interface EddsTables {
  edds_state: StateTable;
  edds_product: ProductTable;
  edds_job: JobTable;
  edds_order: OrderTable;
  edds_placing: PlacingTable;
}

/** One row per backend; its row lock orders the writers of the index. */
export interface StateTable {
  backend: string;
  /** Last change number given. */
  seq: bigint;
  /** When the catalogue was first read. */
  read_at: ColumnType<Date | null, Date | null, Date | null>;
  checked_at: ColumnType<Date | null, Date | null, Date | null>;
  problem: string | null;
}

/**
 * `selection`: an entry of the catalogue for data that are made on request; `file`: a file of the catalogue; `part`: a
 * response file that a job of the gateway made; `removed`: kept for followers.
 */
export type RowKind = 'selection' | 'file' | 'part' | 'removed';

/** Times are ns since 1970 UTC. */
export interface ProductTable {
  backend: string;
  key: string;
  kind: RowKind;
  product_type: string;
  /** Fields of the catalogue record and of the part, by the names that the mapping knows. */
  record: ColumnType<Readonly<Record<string, string | number>>, string, string>;
  created_ns: bigint;
  content_start_ns: bigint;
  content_end_ns: bigint;
  updated_ns: bigint;
  size: bigint | null;
  mime: string;
  revision: string;
  sha256: Uint8Array | null;
  /** Request that holds the part, and its position there. */
  request_id: string | null;
  ordinal: number | null;
  /** Number of the last change; 0 for selections, which no follower is told of. */
  seq: bigint;
  born_seq: bigint;
  content_seq: bigint;
  removed_at: ColumnType<Date | null, Date | null, Date | null>;
}

/**
 * `stream`, `schedule`: what is new. `fill`: what was created between two streams. `past`: data of the time before an order,
 * made for the orders in it alone.
 */
export type JobPurpose = 'stream' | 'schedule' | 'fill' | 'past';

/** A job that standing orders need; shared by all orders that want the same selection. */
export interface JobTable {
  id: ColumnType<bigint, never, never>;
  backend: string;
  selection: string;
  purpose: JobPurpose;
  /** In front of its file names, by which it is found again when the answer to the submission is lost. */
  name: string;
  /** Orders, as text. */
  orders: ColumnType<readonly string[], string, string>;
  /** Data from here on; of a fill and of the past up to `end_ns`, which is null while the stream after it has not begun. */
  begin_ns: bigint;
  end_ns: bigint | null;
  submitted_ns: bigint | null;
  request_id: string | null;
  state: string;
  details: ColumnType<Readonly<Record<string, string | null>>, string, string>;
  /** Parts taken. */
  parts: number;
  /** Data are here up to this time. */
  covered_ns: bigint;
  /** Nothing more is to be done. */
  done: boolean;
  /** The one order whose job this is, shared with no other; null = of all in `orders`. */
  made_for: Generated<string | null>;
  /** EDDS sends the files to the order's target by itself. */
  placed: Generated<boolean>;
  /** Past: the job that brings its orders what comes after it; null = their validity ends with it. */
  follows: Generated<bigint | null>;
  /** Past: when its orders joined a stream, which may bring data of this time too. `covered_ns`: how far that was taken then. */
  joined_ns: Generated<bigint | null>;
  /** When it was last found that no further part was there. */
  looked_ns: Generated<bigint | null>;
  /** Packets, commands or samples that went into parts. */
  elements: Generated<bigint>;
}

/** Whether EDDS sends the files of an order by itself, and if not, why. */
export interface PlacingTable {
  backend: string;
  order_id: string;
  /** null = EDDS sends. */
  reason: string | null;
  /** It was tried and failed: not tried again. */
  failed: boolean;
}

/** An order that jobs run for, and until when it wants data; null = for ever. */
export interface OrderTable {
  backend: string;
  order_id: string;
  until_ns: bigint | null;
  /** What it wants of the past is planned. */
  past: Generated<boolean>;
}

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS = [
  `create table edds_state (
    backend text primary key, seq bigint not null default 0, read_at timestamptz, checked_at timestamptz, problem text
  )`,
  `create table edds_product (
    backend text not null, key text collate "C" not null, kind text not null, product_type text collate "C" not null,
    record jsonb not null, created_ns bigint not null, content_start_ns bigint not null, content_end_ns bigint not null,
    updated_ns bigint not null, size bigint, mime text not null, revision text not null, sha256 bytea,
    request_id text, ordinal integer, seq bigint not null, born_seq bigint not null, content_seq bigint not null,
    removed_at timestamptz, primary key (backend, key)
  )`,
  `create index edds_product_seq on edds_product (backend, seq) where seq > 0`,
  `create index edds_product_created on edds_product (backend, created_ns, key) where kind <> 'removed'`,
  `create index edds_product_updated on edds_product (backend, updated_ns, key) where kind <> 'removed'`,
  `create index edds_product_type on edds_product (backend, product_type, created_ns, key) where kind <> 'removed'`,
  `create table edds_job (
    id bigint generated always as identity primary key, backend text not null, selection text collate "C" not null,
    purpose text not null, name text not null, orders jsonb not null, begin_ns bigint not null, end_ns bigint,
    submitted_ns bigint, request_id text, state text not null, details jsonb not null, parts integer not null,
    covered_ns bigint not null, done boolean not null
  )`,
  `create unique index edds_job_live on edds_job (backend, selection) where not done and purpose <> 'fill'`,
  `create index edds_job_open on edds_job (backend, id) where not done`,
  `create table edds_order (
    backend text not null, order_id text not null, until_ns bigint, primary key (backend, order_id)
  )`,
  `create index edds_job_request on edds_job (backend, request_id)`,
];

/** Jobs of single orders beside those that orders share. */
const single: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of SINGLE) await sql.raw(statement).execute(db);
  },
};

const SINGLE = [
  `alter table edds_job add column made_for text, add column placed boolean not null default false`,
  `drop index edds_job_live`,
  `create unique index edds_job_live on edds_job (backend, selection, coalesce(made_for, ''))
    where not done and purpose in ('stream', 'schedule')`,
  `create table edds_placing (
    backend text not null, order_id text not null, reason text, failed boolean not null, primary key (backend, order_id)
  )`,
];

/** Data of the past for single orders. */
const past: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table edds_job add column follows bigint, add column joined_ns bigint,
      add column looked_ns bigint, add column elements bigint not null default 0`.execute(db);
    await sql`alter table edds_order add column past boolean not null default false`.execute(db);
    await sql`create index edds_job_follows on edds_job (follows) where follows is not null`.execute(db);
    await sql`create index edds_job_past on edds_job (backend, selection) where purpose = 'past'`.execute(db);
    await sql`create index edds_job_leaving on edds_job (backend) where state = 'leaving'`.execute(db);
    await sql`create index edds_job_orders on edds_job using gin (orders)`.execute(db);
  },
};

export const migrations: Readonly<Record<string, Migration>> = {
  'edds-0001': first,
  'edds-0002': single,
  'edds-0003': past,
};

/** Channel on which whoever reads EDDS tells every gateway that `payload`, a backend, has changes. */
export const CHANNEL = 'edds_change';
