import { type Kysely, type Migration, sql } from 'kysely';

/** Every core table, first release. Later migrations only add. */
const core: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of CORE.split(';\n')) if (statement.trim()) await sql.raw(statement).execute(db);
  },
};

const CORE = `
create table principal (
  id text primary key, role text not null check (role in ('consumer', 'operator', 'admin')),
  policy jsonb, disabled boolean not null default false, origin text not null default 'store'
);
create table api_key (
  id text primary key, principal text not null references principal on delete cascade, hash bytea not null, label text,
  created_at timestamptz not null default now(), used_at timestamptz, expires_at timestamptz, revoked_at timestamptz
);
create table named_filter (
  owner text not null, name text not null, filter jsonb not null, description text, shared boolean not null default false,
  updated_at timestamptz not null default now(), primary key (owner, name)
);
create table backend_state (
  backend text primary key, cursor text, imported_at timestamptz, swept_ns bigint, contact_ns bigint,
  ready_ns bigint not null default 0, up boolean, epoch bigint not null default 0
);
create table journal (
  id bigint generated always as identity primary key,
  backend text not null, domain text collate "C" not null, key text collate "C" not null, version bigint not null,
  revision text collate "C" not null, kind text not null, round integer not null default 0, current boolean not null,
  product_type text collate "C" not null, metadata jsonb not null, path text collate "C", file_name text,
  claim_algorithm text, claim_value bytea,
  created_ns bigint not null, content_start_ns bigint not null, content_end_ns bigint not null, updated_ns bigint not null,
  seen_at timestamptz not null default now(), ready_ns bigint not null, removed_at timestamptz,
  unique (backend, domain, key, revision)
);
create unique index journal_current on journal (backend, domain, key) where current;
create index journal_ready on journal (ready_ns, id);
create index journal_created on journal (created_ns, id);
create index journal_path on journal (path, id) where current and removed_at is null;
create index journal_content on journal (content_start_ns, content_end_ns, id);
create table standing_order (
  id bigint generated always as identity primary key, kind text not null, owner text not null, state text not null,
  method text not null, deliver_to text, secret bytea, filter jsonb, tree jsonb, domain text,
  valid_start_ns bigint, valid_end_ns bigint, comments text, pause_policy text not null default 'hold',
  on_bad_source text not null default 'deliver-flagged', overwrite boolean not null default true, path_template text,
  deadline_s integer not null, acked bigint, upstream jsonb, warning text,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create index standing_order_owner on standing_order (owner, id);
create index standing_order_live on standing_order (state) where state in ('active', 'paused', 'suspended');
create sequence order_change;
create table order_history (
  id bigint generated always as identity primary key, order_id bigint not null references standing_order,
  at timestamptz not null default now(), actor text not null, action text not null, detail text
);
create index order_history_order on order_history (order_id, id);
create table backfill (
  id bigint generated always as identity primary key, order_id bigint not null references standing_order,
  axis text not null, from_ns bigint, to_ns bigint, again boolean not null, after_id bigint not null default 0,
  matched bigint not null default 0, state text not null default 'running', created_at timestamptz not null default now()
);
create index backfill_running on backfill (id) where state = 'running';
create table delivery (
  id bigint generated always as identity primary key,
  order_id bigint not null references standing_order, journal_id bigint not null references journal,
  domain text collate "C" not null, key text collate "C" not null, revision text collate "C" not null,
  round integer not null default 0, method text not null, state text not null, cause text, error_class text,
  target text, filename text, location text, bytes bigint, checksum bytea, source_check text, target_check text,
  attempts integer not null default 0, published integer not null default 0,
  next_at timestamptz not null default now(), deadline_at timestamptz,
  owner text, until timestamptz, epoch bigint not null default 0,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
  unique (order_id, domain, key, revision)
);
create index delivery_queue on delivery (target, next_at, id) where state in ('queued', 'sending', 'landed');
create index delivery_order on delivery (order_id, id);
create index delivery_product on delivery (domain, key);
create index delivery_journal on delivery (journal_id);
create table attempt (
  delivery_id bigint not null references delivery, epoch bigint not null, round integer not null,
  started_at timestamptz not null default now(), ended_at timestamptz, bytes bigint, checksum bytea, remote_path text,
  error_class text, error text, primary key (delivery_id, epoch)
);
create table target_path (
  target text not null, path text collate "C" not null, domain text collate "C" not null, key text collate "C" not null,
  revision text not null, updated_ns bigint not null, delivery_id bigint not null, epoch bigint not null,
  until timestamptz, primary key (target, path)
);
create table event (
  id bigint generated always as identity primary key, tx xid8 not null default pg_current_xact_id(),
  at timestamptz not null default now(), type text not null, order_id bigint, owner text, domain text,
  journal_id bigint, delivery_id bigint, payload jsonb not null
);
create index event_commit on event (tx, id);
create index event_order on event (order_id, tx, id) where order_id is not null;
create table event_floor (generation text not null, tx xid8 not null, id bigint not null);
create table setting (name text primary key, value text not null);
insert into event_floor values (gen_random_uuid()::text, '0', 0);
`;

/** Products that were made on demand for some orders. */
const madeFor: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table journal add column made_for jsonb, add column joined_by jsonb`.execute(db);
  },
};

/** Notifications that an order keeps; an index that no query needs, for each row of the ledger a cost. */
const retention: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table standing_order add column retain_last integer, add column retain_s integer`.execute(db);
    await sql`drop index delivery_product`.execute(db);
  },
};

/** The form in which an order's files are delivered. */
const form: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table standing_order add column form text`.execute(db);
  },
};

/**
 * Rows of orders and of the journal are never deleted, and a ledger row is written in the transaction that holds both: asking
 * for them again cost a sixth of every change. What the foreign keys forbade to whoever deletes by hand stays forbidden.
 */
const kept: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      alter table delivery drop constraint delivery_order_id_fkey, drop constraint delivery_journal_id_fkey`.execute(
      db,
    );
    await sql`
      create function refuse_ledger_orphan() returns trigger language plpgsql as $$
      declare found boolean;
      begin
        execute format('select exists (select from delivery where %I = $1)', tg_argv[0]) using old.id into found;
        if found then
          raise foreign_key_violation using message = format('%s %s is in the ledger', tg_table_name, old.id);
        end if;
        return null;
      end $$`.execute(db);
    for (const [table, column] of [
      ['standing_order', 'order_id'],
      ['journal', 'journal_id'],
    ] as const)
      await sql`
        create trigger in_ledger after delete on ${sql.table(table)} for each row
        execute function refuse_ledger_orphan(${sql.lit(column)})`.execute(db);
  },
};

export const coreMigrations: Readonly<Record<string, Migration>> = {
  'core-0001': core,
  'core-0002-made-for': madeFor,
  'core-0003-retention': retention,
  'core-0004-form': form,
  'core-0005-kept': kept,
};
