import { type Kysely, sql } from 'kysely';
import { later } from '../../store/index.js';
import type { CoreTables } from '../schema.js';
import type { DeliveryRow } from './rows.js';

const WAITING = sql.raw(`('queued', 'sending', 'landed')`);

/** Targets with something due, by one index descent a target however long their backlogs are. */
export async function dueTargets(db: Kysely<CoreTables>): Promise<readonly string[]> {
  const { rows } = await sql<{ target: string }>`
    with recursive t as (
      (select target from delivery where state in ${WAITING} and target is not null order by target limit 1)
      union all
      select (select d.target from delivery d where d.state in ${WAITING} and d.target > t.target order by d.target limit 1)
      from t where t.target is not null)
    select t.target from t where t.target is not null and exists (
      select from delivery d where d.target = t.target and d.state in ${WAITING} and d.next_at <= now())`.execute(db);
  return rows.map((row) => row.target);
}

export interface LeaseRequest {
  readonly owner: string;
  readonly ttlMs: number;
  /** How many rows of which target. */
  readonly wanted: readonly { readonly target: string; readonly n: number }[];
  /** Ids of backends that do not work at the moment. */
  readonly pausedBackends: readonly string[];
}

/** Takes rows that are due and that nobody holds, in one statement; their epoch is raised. Those of paused orders stay. */
export async function leaseRows(db: Kysely<CoreTables>, request: LeaseRequest): Promise<readonly DeliveryRow[]> {
  const { owner, ttlMs, wanted, pausedBackends } = request;
  if (wanted.length === 0) return [];
  const byBackend =
    pausedBackends.length === 0
      ? sql``
      : sql`and not exists (select from journal j where j.id = d.journal_id and j.backend = any(${pausedBackends}::text[]))`;
  const { rows } = await sql<DeliveryRow>`
    with wanted as (select * from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w(target text, n integer)),
    picked as materialized (
      select p.* from wanted w cross join lateral (
        select d.id, d.state as was from delivery d
        where d.target = w.target and d.state in ${WAITING} and d.next_at <= now() and (d.until is null or d.until <= now())
          and exists (select from standing_order o where o.id = d.order_id
            and (o.state in ('active', 'expired') or d.state = 'landed'))
          ${byBackend}
        order by d.next_at, d.id limit w.n for update of d skip locked) p),
    leased as (
      update delivery d set state = case picked.was when 'landed' then 'landed' else 'sending' end, owner = ${owner},
        until = ${later(ttlMs)}, epoch = d.epoch + 1, updated_at = now()
      from picked where d.id = picked.id
      returning d.id, d.epoch, d.order_id, d.journal_id, d.domain, d.key, d.revision, d.round, picked.was, d.target,
        d.filename, d.location, d.bytes, d.checksum, d.source_check, d.attempts, d.next_at)
    select l.*, o.owner as order_owner, o.deliver_to, o.secret, o.overwrite, o.on_bad_source, o.path_template, o.form, o.deadline_s,
      p.policy as owner_policy,
      j.backend, j.version, j.metadata, j.path, j.file_name, j.claim_algorithm, j.claim_value, j.updated_ns
    from leased l join standing_order o on o.id = l.order_id join principal p on p.id = o.owner join journal j on j.id = l.journal_id
    order by l.next_at, l.id`.execute(db);
  return rows;
}

export interface HeldRow {
  readonly id: bigint;
  readonly epoch: bigint;
  readonly path: { readonly target: string; readonly path: string } | null;
}

/** Renews rows and their paths in one statement; answers the ids that are still ours. */
export async function renewRows(
  db: Kysely<CoreTables>,
  owner: string,
  ttlMs: number,
  held: readonly HeldRow[],
): Promise<ReadonlySet<bigint>> {
  const json = JSON.stringify(held.map(({ id, epoch, path }) => ({ id: String(id), epoch: String(epoch), ...path })));
  const { rows } = await sql<{ id: bigint }>`
    with held as (
      select * from jsonb_to_recordset(${json}::jsonb) as h(id bigint, epoch bigint, target text, path text)),
    renewed as (
      update delivery d set until = ${later(ttlMs)} from held h
      where d.id = h.id and d.epoch = h.epoch and d.owner = ${owner} returning d.id),
    paths as (
      update target_path p set until = ${later(ttlMs)} from held h join renewed r on r.id = h.id
      where p.target = h.target and p.path = h.path and p.delivery_id = h.id and p.epoch = h.epoch and p.until is not null)
    select id from renewed`.execute(db);
  return new Set(rows.map((row) => row.id));
}
