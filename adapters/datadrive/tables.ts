import { type ColumnType, type Kysely, type Migration, sql } from 'kysely';

export interface DataDriveTables {
  datadrive_state: StateTable;
  datadrive_file: FileTable;
}

/** One row per backend; its lock orders the writers. */
export interface StateTable {
  backend: string;
  /** Last change number given. */
  seq: bigint;
  /** Newest update time seen, ms since 1970 by the source's clock, but never ahead of ours. */
  polled_ms: bigint;
  swept_at: ColumnType<Date | null, Date | null, Date | null>;
  /** Some documents are not the newest of their name, as far as was seen. */
  namesakes: ColumnType<boolean, boolean | undefined, boolean>;
}

/** What the index was seen to hold: enough to tell new from changed from touched, and to notice what is gone. */
export interface FileTable {
  backend: string;
  id: string;
  /** Domain parts as a JSON array in text. */
  domain: string;
  revision: string;
  updated_ns: bigint;
  removed: boolean;
  /** Number of the last change, of the one that made it known, and of the last change of content. */
  seq: bigint;
  born_seq: bigint;
  content_seq: bigint;
}

const STATEMENTS = [
  `create table datadrive_state (
    backend text primary key, seq bigint not null default 0, polled_ms bigint not null default 0, swept_at timestamptz
  )`,
  `create table datadrive_file (
    backend text not null, id text collate "C" not null, domain text not null, revision text not null,
    updated_ns bigint not null, removed boolean not null default false,
    seq bigint not null, born_seq bigint not null, content_seq bigint not null, primary key (backend, id)
  )`,
  `create index datadrive_file_seq on datadrive_file (backend, seq)`,
];

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const namesakes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table datadrive_state add column namesakes boolean not null default false`.execute(db);
  },
};

export const migrations: Readonly<Record<string, Migration>> = {
  'datadrive-0001': first,
  'datadrive-0002-namesakes': namesakes,
};
