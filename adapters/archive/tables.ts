import { type ColumnType, type Kysely, type Migration, sql } from 'kysely';

export interface ArchiveTables {
  archive_state: StateTable;
  archive_file: FileTable;
  archive_fact: FactTable;
}

/** One row per backend. Its row lock orders the writers of the index, `epoch` keeps out those that lost the lease. */
export interface StateTable {
  backend: string;
  /** Last change number given. */
  seq: bigint;
  epoch: bigint;
  products: bigint;
  /** Fingerprint of mapping and options: another one means that every file is read again. */
  mapping: string;
  /** When the first scan was complete. */
  scanned_at: ColumnType<Date | null, Date | null, Date | null>;
  swept_at: ColumnType<Date | null, Date | null, Date | null>;
}

/** `hidden`: read for what it says of others, or of no interest, but no product. `removed`: kept for followers. */
export type FileKind = 'product' | 'hidden' | 'removed';

/** One row per file. Times are ns since 1970 UTC. */
export interface FileTable {
  backend: string;
  /** Domain parts as a JSON array in text. */
  domain: string;
  path: string;
  kind: FileKind;
  size: bigint;
  mtime_ns: bigint;
  inode: bigint;
  sha256: Uint8Array;
  product_type: string;
  source: string | null;
  description: string | null;
  mime: string;
  file_name: string | null;
  /** NamedValue list by the JSON codec. */
  attributes: ColumnType<unknown, string, string>;
  created_ns: bigint;
  content_start_ns: bigint;
  content_end_ns: bigint;
  updated_ns: bigint;
  claim_algorithm: string | null;
  claim_value: Uint8Array | null;
  /** Number of the last change; 0 for what never was a product. */
  seq: bigint;
  /** Number of the change that made it a product. */
  born_seq: bigint;
  /** Number of the last change of content. */
  content_seq: bigint;
  removed_at: ColumnType<Date | null, Date | null, Date | null>;
}

/** What one file (`origin`) says of another or of itself (`subject`). */
export interface FactTable {
  backend: string;
  subject: string;
  kind: 'label' | 'packets' | 'sidecar';
  origin: string;
  facts: ColumnType<unknown, string, string>;
}

/** `content` column pair as a range that the index on it serves. */
export const contentRange = sql`int8range(least(content_start_ns, 9223372036854775806), least(content_end_ns, 9223372036854775806), '[]')`;

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const STATEMENTS = [
  `create table archive_state (
    backend text primary key, seq bigint not null default 0, epoch bigint not null default 0,
    products bigint not null default 0, mapping text not null default '', scanned_at timestamptz, swept_at timestamptz
  )`,
  `create table archive_file (
    backend text not null, domain text collate "C" not null, path text collate "C" not null, kind text not null,
    size bigint not null, mtime_ns bigint not null, inode bigint not null, sha256 bytea not null,
    product_type text collate "C" not null, source text collate "C", description text, mime text not null, file_name text,
    attributes jsonb not null, created_ns bigint not null, content_start_ns bigint not null, content_end_ns bigint not null,
    updated_ns bigint not null, claim_algorithm text, claim_value bytea,
    seq bigint not null, born_seq bigint not null, content_seq bigint not null, removed_at timestamptz,
    primary key (backend, domain, path)
  )`,
  `create unique index archive_file_path on archive_file (backend, path) where kind <> 'removed'`,
  `create index archive_file_seq on archive_file (backend, seq)`,
  `create index archive_file_removed on archive_file (backend, removed_at) where kind = 'removed'`,
  `create index archive_file_created on archive_file (backend, created_ns, path) where kind = 'product'`,
  `create index archive_file_updated on archive_file (backend, updated_ns, path) where kind = 'product'`,
  `create index archive_file_type on archive_file (backend, product_type, created_ns, path) where kind = 'product'`,
  `create index archive_file_content on archive_file
    using gist (int8range(least(content_start_ns, 9223372036854775806), least(content_end_ns, 9223372036854775806), '[]')) where kind = 'product'`,
  `create table archive_fact (
    backend text not null, subject text collate "C" not null, kind text not null, origin text collate "C" not null,
    facts jsonb not null, primary key (backend, subject, kind, origin)
  )`,
  `create index archive_fact_origin on archive_fact (backend, origin)`,
];

export const migrations: Readonly<Record<string, Migration>> = { 'archive-0001': first };

/** Channel on which the scanner tells every gateway that `payload`, a backend, has changes. */
export const CHANNEL = 'archive_change';
