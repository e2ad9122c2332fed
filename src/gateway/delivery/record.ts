import { type Kysely, sql, type Transaction } from 'kysely';
import { withRetry } from '../../store/index.js';
import { appendEvents, type NewEvent } from '../events/append.js';
import type { CoreTables, FileState } from '../schema.js';
import { hex } from '../values.js';
import { finishOnce } from './expire.js';
import type { Outcome } from './outcome.js';

/** A ledger row after an outcome was written; absent when the row is no longer ours. */
export type Recorded = ReadonlyMap<bigint, FileState>;

/**
 * Writes outcomes in one transaction, each only where its row still has the epoch of the lease: ledger, attempts, paths,
 * events, and the end of `once` orders whose rows have all ended.
 */
export async function recordOutcomes(
  db: Kysely<CoreTables>,
  owner: string,
  outcomes: readonly Outcome[],
): Promise<Recorded> {
  return withRetry(db, async (tx) => {
    const written = await writeRows(tx, owner, outcomes);
    await writeAttempts(tx, outcomes);
    await writePaths(tx, outcomes);
    await appendEvents(
      tx,
      outcomes.flatMap((outcome) => eventsOf(outcome, written.get(outcome.row.id))),
    );
    const ended = outcomes.filter(({ row }) => ENDED.has(written.get(row.id) ?? 'queued'));
    await finishOnce(tx, [...new Set(ended.map(({ row }) => row.order_id))]);
    return written;
  });
}

const ENDED: ReadonlySet<FileState> = new Set(['notified', 'dead', 'superseded', 'withdrawn']);

async function writeRows(tx: Transaction<CoreTables>, owner: string, outcomes: readonly Outcome[]): Promise<Recorded> {
  const { rows } = await sql<{ id: bigint; state: FileState }>`
    with u as (
      select u.*, coalesce(greatest(d.deadline_at, case when u.counts and u.bytes > coalesce(
          (select max(a.bytes) from attempt a where a.delivery_id = u.id and a.round = d.round and a.epoch < u.epoch), 0)
        then now() + make_interval(secs => u.deadline_s) end), 'infinity') as deadline
      from jsonb_to_recordset(${JSON.stringify(outcomes.map(rowChange))}::jsonb) as u(
        id bigint, epoch bigint, state text, counts boolean, keep boolean, cause text, error_class text, filename text,
        location text, bytes bigint, checksum bytea, source_check text, target_check text, delay_ms double precision,
        deadline_s integer)
      join delivery d on d.id = u.id
      where u.state is not null)
    update delivery d set
      state = case when u.state = 'queued' and u.error_class is not null and u.deadline <= now() then 'dead'
        when u.state = 'queued' and d.state = 'landed' then 'landed' else u.state end,
      cause = case when u.keep then d.cause else u.cause end,
      error_class = case when u.keep then d.error_class else u.error_class end,
      attempts = d.attempts + u.counts::integer,
      filename = coalesce(u.filename, d.filename), location = coalesce(u.location, d.location),
      bytes = case when u.location is null then d.bytes else u.bytes end, checksum = coalesce(u.checksum, d.checksum),
      source_check = coalesce(u.source_check, d.source_check), target_check = coalesce(u.target_check, d.target_check),
      deadline_at = nullif(u.deadline, 'infinity'),
      next_at = case when u.delay_ms is null then d.next_at
        else least(now() + u.delay_ms * interval '1 millisecond', greatest(now(), u.deadline)) end,
      owner = case u.state when 'landed' then d.owner end, until = case u.state when 'landed' then d.until end,
      updated_at = now()
    from u where d.id = u.id and d.epoch = u.epoch and d.owner = ${owner}
    returning d.id, d.state`.execute(tx);
  return new Map(rows.map((row) => [row.id, row.state]));
}

function rowChange(outcome: Outcome): Record<string, unknown> {
  const { row } = outcome;
  const base = { id: String(row.id), epoch: String(row.epoch), deadline_s: row.deadline_s, counts: false, keep: false };
  switch (outcome.kind) {
    case 'landed':
    case 'notified': {
      const { file } = outcome;
      const columns = {
        filename: file.filename,
        location: file.location,
        bytes: file.bytes,
        checksum: `\\x${hex(file.checksum)}`,
        source_check: file.sourceCheck,
      };
      if (outcome.kind === 'landed') return { ...base, ...columns, state: 'landed' };
      return { ...base, ...columns, state: 'notified', counts: true, target_check: file.targetCheck };
    }
    case 'ended':
      return {
        ...base,
        state: outcome.state,
        counts: true,
        cause: outcome.cause,
        error_class: outcome.errorClass,
        filename: outcome.filename,
        source_check: outcome.sourceCheck,
      };
    case 'postponed':
      return {
        ...base,
        state: 'queued',
        counts: outcome.reason === 'attempt',
        keep: outcome.cause === null,
        cause: outcome.cause,
        error_class: outcome.errorClass,
        filename: outcome.filename,
        delay_ms: outcome.delayMs,
        bytes: outcome.bytes,
      };
    case 'lost':
      return base;
  }
}

async function writeAttempts(tx: Transaction<CoreTables>, outcomes: readonly Outcome[]): Promise<void> {
  const ends = outcomes.filter((outcome) => outcome.kind !== 'landed').map(attemptEnd);
  if (ends.length === 0) return;
  await sql`
    update attempt a set ended_at = now(), bytes = u.bytes, checksum = u.checksum, remote_path = u.remote_path,
      error_class = u.error_class, error = u.error
    from jsonb_to_recordset(${JSON.stringify(ends)}::jsonb) as u(
      id bigint, epoch bigint, bytes bigint, checksum bytea, remote_path text, error_class text, error text)
    where a.delivery_id = u.id and a.epoch = u.epoch and a.ended_at is null`.execute(tx);
}

function attemptEnd(outcome: Outcome): Record<string, unknown> {
  const base = { id: String(outcome.row.id), epoch: String(outcome.row.epoch) };
  switch (outcome.kind) {
    case 'landed':
    case 'notified': {
      const { bytes, checksum, location, note } = outcome.file;
      return { ...base, bytes, checksum: `\\x${hex(checksum)}`, remote_path: location, error: note };
    }
    case 'lost':
      return { ...base, bytes: outcome.bytes, error: 'the row was withdrawn or went to another worker' };
    default: {
      const error = outcome.cause ?? 'given back to the queue';
      return { ...base, bytes: outcome.bytes, error_class: outcome.errorClass, error };
    }
  }
}

/** Paths belong to a lease by delivery and epoch, whatever became of the ledger row meanwhile. */
async function writePaths(tx: Transaction<CoreTables>, outcomes: readonly Outcome[]): Promise<void> {
  const paths = outcomes.flatMap((outcome) => {
    if (outcome.path === null) return [];
    const { row } = outcome;
    const landed = outcome.kind === 'landed' || outcome.kind === 'notified';
    const content = landed ? { revision: row.revision, updated_ns: String(row.updated_ns) } : {};
    const ids = { id: String(row.id), epoch: String(row.epoch) };
    return [{ ...outcome.path, ...ids, ...content, release: outcome.kind !== 'landed' }];
  });
  if (paths.length === 0) return;
  await sql`
    with u as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(paths)}::jsonb) as u(
        target text, path text, id bigint, epoch bigint, revision text, updated_ns bigint, release boolean)),
    emptied as (
      delete from target_path p using u
      where p.target = u.target and p.path = u.path and p.delivery_id = u.id and p.epoch = u.epoch
        and p.revision = '' and u.revision is null and u.release)
    update target_path p set revision = coalesce(u.revision, p.revision), updated_ns = coalesce(u.updated_ns, p.updated_ns),
      until = case when u.release then null else p.until end
    from u
    where p.target = u.target and p.path = u.path and p.delivery_id = u.id and p.epoch = u.epoch
      and not (p.revision = '' and u.revision is null)`.execute(tx);
}

function eventsOf(outcome: Outcome, state: FileState | undefined): readonly NewEvent[] {
  const { row } = outcome;
  const event = (type: NewEvent['type'], payload: NewEvent['payload']): readonly NewEvent[] => [
    {
      type,
      orderId: row.order_id,
      owner: row.order_owner,
      domain: row.domain,
      journalId: row.journal_id,
      deliveryId: row.id,
      payload: { key: row.key, ...payload },
    },
  ];
  if (outcome.kind === 'notified' && state === 'notified') {
    const { file } = outcome;
    return event('delivered', {
      filename: file.filename,
      deliveredTo: row.deliver_to,
      success: true,
      location: file.location,
      bytes: file.bytes,
      checksum: hex(file.checksum),
      sourceCheck: file.sourceCheck,
      targetCheck: file.targetCheck,
      round: row.round,
    });
  }
  if (outcome.kind !== 'ended' && outcome.kind !== 'postponed') return [];
  if (state === 'dead')
    return event('failed', {
      filename: outcome.filename,
      deliveredTo: row.deliver_to,
      success: false,
      reason: outcome.cause,
      errorClass: outcome.errorClass,
      round: row.round,
    });
  if (state === 'superseded' || state === 'withdrawn')
    return event(state, { filename: outcome.filename, reason: outcome.cause });
  return [];
}
