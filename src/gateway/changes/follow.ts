import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { holdLease } from '../../store/index.js';
import type { Backend } from '../backend.js';
import { appendEvents } from '../events/append.js';
import type { LiveOrders } from '../orders/live.js';
import type { CoreTables } from '../schema.js';
import { importBackend } from './import.js';
import { createIntake, type Intake, MOST } from './intake.js';
import { sweepAll, sweepRecent } from './sweep.js';

export interface FollowDependencies {
  readonly db: Kysely<CoreTables>;
  readonly liveOrders: LiveOrders;
  readonly log: Logger;
  readonly sweep: { readonly intervalMs: number; readonly overlapMs: number };
  readonly leaseMs?: number;
}

/** A full comparison follows every so many recent sweeps, for backends whose feed may miss a removal. */
const FULL_EVERY = 6;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Follows one backend for as long as the signal allows: first import, feed, sweep. One gateway of all that share the database
 * does it at a time; another takes over when it dies.
 */
export async function followBackend(backend: Backend, deps: FollowDependencies, signal: AbortSignal): Promise<void> {
  const log = deps.log.child({ backend: backend.id });
  for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await holdLease(deps.db, `follow:${backend.id}`, { ttlMs: deps.leaseMs ?? 15_000, signal, log }, async (held) => {
        const epoch = await takeOver(deps.db, backend.id);
        const intake = createIntake(deps.db, backend, deps.liveOrders, epoch);
        await importBackend(deps.db, backend, intake, held);
        log.info('following');
        await reportUp(deps.db, backend.id, true, null);
        pause = 500;
        const stop = new AbortController();
        const both = AbortSignal.any([held, stop.signal]);
        try {
          await Promise.all([
            feed(deps.db, backend, intake, both).finally(() => stop.abort()),
            sweepOn(backend, intake, deps, log, both).finally(() => stop.abort()),
          ]);
        } finally {
          stop.abort();
        }
      });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error, retryInMs: pause }, 'following the backend failed');
      await reportUp(deps.db, backend.id, false, (error as Error).message).catch(() => undefined);
    }
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** Fences off whoever followed before. */
async function takeOver(db: Kysely<CoreTables>, backend: string): Promise<bigint> {
  const { rows } = await sql<{ epoch: bigint }>`
    insert into backend_state (backend, epoch) values (${backend}, 1)
    on conflict (backend) do update set epoch = backend_state.epoch + 1
    returning epoch`.execute(db);
  return rows[0]!.epoch;
}

async function feed(db: Kysely<CoreTables>, backend: Backend, intake: Intake, signal: AbortSignal): Promise<void> {
  const state = await db
    .selectFrom('backend_state')
    .select('cursor')
    .where('backend', '=', backend.id)
    .executeTakeFirstOrThrow();
  if (backend.capabilities.feed === 'none') return untilAborted(signal);
  let cursor = state.cursor;
  while (!signal.aborted) {
    const result = await backend.follow({ cursor, interest: null }, { signal });
    for (let i = 0; i < result.changes.length; i += MOST) {
      const last = i + MOST >= result.changes.length;
      await intake.take(result.changes.slice(i, i + MOST), 'feed', last ? { cursor: result.cursor } : {});
    }
    if (result.changes.length === 0 && result.cursor !== cursor)
      await intake.take([], 'feed', { cursor: result.cursor });
    cursor = result.cursor;
  }
}

async function sweepOn(
  backend: Backend,
  intake: Intake,
  { db, sweep }: FollowDependencies,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { feed: kind } = backend.capabilities;
  for (let round = 1; !signal.aborted; round++) {
    await sleep(sweep.intervalMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const full = kind !== 'durable' && round % FULL_EVERY === 0;
    const found = full
      ? await sweepAll(db, backend, intake, signal)
      : await sweepRecent(db, backend, intake, BigInt(sweep.overlapMs) * 1_000_000n, signal);
    if (found > 0)
      log[kind === 'none' ? 'debug' : 'warn']({ found, full }, 'the sweep found changes that the feed had not told');
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Tells operators when a backend goes or comes back: one event a change. */
async function reportUp(db: Kysely<CoreTables>, backend: string, up: boolean, reason: string | null): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ up: boolean | null }>`
      update backend_state b set up = ${up} from (select up from backend_state where backend = ${backend} for update) before
      where b.backend = ${backend} returning before.up`.execute(tx);
    if (!rows[0] || rows[0].up === up || (up && rows[0].up === null)) return;
    await appendEvents(tx, [
      {
        type: 'backend',
        orderId: null,
        owner: null,
        domain: null,
        journalId: null,
        deliveryId: null,
        payload: { backend, up, reason },
      },
    ]);
  });
}
