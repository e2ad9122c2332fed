import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql, type Transaction } from 'kysely';
import { isMpdError, MpdError } from '../mpd/errors.js';
import { unlessAborted } from './abort.js';
import { isRetry } from './errors.js';
import { type Lease, type LeaseTable, later, leaseOwner, releaseLease, renewLease } from './lease.js';
import { type Log, silentLog } from './log.js';

export interface KeepOptions {
  readonly ttlMs: number;
  readonly signal?: AbortSignal;
  readonly log?: Log;
}

/**
 * Works under a lease: renews it at every third of `ttlMs`, and aborts the signal given to `fn` when the lease went to
 * somebody else or could not be renewed for two thirds. `fn` ends the lease with its own last update (`owner = null,
 * until = null … where` {@link held}); when it fails instead, the lease is let go. An abort's reason is an MpdError of class `retry`.
 */
export async function keepLease<Database, Result>(
  db: Kysely<Database>,
  lease: Lease,
  { ttlMs, signal, log = silentLog }: KeepOptions,
  fn: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const lost = new AbortController();
  const done = new AbortController();
  const beating = heartbeat(db, lease, ttlMs, lost, done.signal, log);
  try {
    return await fn(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
  } catch (error) {
    if (!lost.signal.aborted) await letGo(db, lease, log);
    throw error;
  } finally {
    done.abort();
    await beating;
  }
}

/** Ends with `done` or after it has aborted `lost`; never waits for a database that does not answer. */
async function heartbeat<Database>(
  db: Kysely<Database>,
  lease: Lease,
  ttlMs: number,
  lost: AbortController,
  done: AbortSignal,
  log: Log,
): Promise<void> {
  let renewed = lease.since;
  const lose = (reason: string) => {
    if (done.aborted || lost.signal.aborted) return;
    log.warn({ table: lease.table.name, key: lease.key, epoch: lease.epoch }, reason);
    lost.abort(new MpdError('Internal', { class: 'retry', message: reason }));
  };
  const stop = AbortSignal.any([done, lost.signal]);
  let deadline: NodeJS.Timeout | undefined;
  const arm = () => {
    clearTimeout(deadline);
    const left = renewed + (ttlMs * 2) / 3 - performance.now();
    deadline = setTimeout(() => lose('a lease could not be renewed in time'), Math.max(0, left));
  };
  arm();
  let wait = renewed + ttlMs / 3 - performance.now();
  for (;;) {
    await sleep(Math.max(0, wait), undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) break;
    const asked = performance.now();
    const renewal = renewLease(db, lease, ttlMs).catch((error) => failed(error, log));
    const answer = await unlessAborted(renewal, stop);
    if (stop.aborted) break;
    if (answer === false) lose('a lease went to another owner');
    if (answer === true) {
      renewed = asked;
      arm();
    }
    wait = answer === true ? asked + ttlMs / 3 - performance.now() : ttlMs / 15;
  }
  clearTimeout(deadline);
}

const LEASES: LeaseTable = { name: 'lease', key: ['name'] };

export interface HoldOptions extends KeepOptions {
  readonly owner?: string;
  /** How often to ask while another process holds it; a third of `ttlMs` by default. */
  readonly pollMs?: number;
}

/**
 * Runs `fn` in one process at a time, whichever gets the lease `name` first; waits for it as long as it takes. When the lease
 * is lost, `fn`'s signal aborts and, once it has ended, the wait begins again. Ends with the result or the failure of `fn`, or
 * with undefined when `signal` aborts. What `fn` writes is fenced by {@link assertLease}.
 */
export async function holdLease<Database, Result>(
  db: Kysely<Database>,
  name: string,
  options: HoldOptions,
  fn: (signal: AbortSignal, epoch: bigint) => Promise<Result>,
): Promise<Result | undefined> {
  const { ttlMs, signal, log = silentLog, owner = leaseOwner(), pollMs = ttlMs / 3 } = options;
  while (!signal?.aborted) {
    const lease = await takeNamed(db, name, owner, ttlMs).catch((error) => {
      if (!isRetry(error)) throw error;
      log.debug({ err: error, name }, 'a lease could not be asked for');
      return undefined;
    });
    if (!lease) {
      await sleep(pollMs * (0.8 + 0.4 * Math.random()), undefined, signal ? { signal } : {}).catch(() => undefined);
      continue;
    }
    if (signal?.aborted) {
      await letGo(db, lease, log);
      break;
    }
    log.debug({ name, epoch: lease.epoch }, 'took a lease');
    let aborted: AbortSignal | undefined;
    try {
      const result = await keepLease(db, lease, { ttlMs, log, ...(signal && { signal }) }, (inner) => {
        aborted = inner;
        return fn(inner, lease.epoch);
      });
      await letGo(db, lease, log);
      return result;
    } catch (error) {
      if (!aborted?.aborted) throw error;
    }
  }
  return undefined;
}

/** Without it the lease ends by itself, a little later. */
async function letGo<Database>(db: Kysely<Database>, lease: Lease, log: Log): Promise<void> {
  await releaseLease(db, lease).catch((err) => log.debug({ err, key: lease.key }, 'a lease was not released'));
}

/** In a transaction: fails with class `retry` unless lease `name` is still at `epoch`, and keeps it so until the end; be short. */
export async function assertLease<Database>(trx: Transaction<Database>, name: string, epoch: bigint): Promise<void> {
  const { rows } = await sql`select from lease where name = ${name} and epoch = ${epoch} for share`.execute(trx);
  if (rows.length === 0)
    throw new MpdError('Internal', { class: 'retry', message: `lease ${name} went to another owner` });
}

async function takeNamed<Database>(
  db: Kysely<Database>,
  name: string,
  owner: string,
  ttlMs: number,
): Promise<Lease | undefined> {
  const since = performance.now();
  const { rows } = await sql<{ epoch: bigint }>`
    insert into lease (name, owner, until, epoch) values (${name}, ${owner}, ${later(ttlMs)}, 1)
    on conflict (name) do update set owner = excluded.owner, until = excluded.until, epoch = lease.epoch + 1
    where lease.until is null or lease.until <= now() returning epoch`.execute(db);
  const [row] = rows;
  return row && { table: LEASES, key: { name }, owner, epoch: row.epoch, since };
}

function failed(error: unknown, log: Log): undefined {
  if (!isRetry(error) && !isMpdError(error)) log.error({ err: error }, 'a lease could not be renewed');
  return undefined;
}
