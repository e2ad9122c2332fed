import { setTimeout as sleep } from 'node:timers/promises';
import { leaseOwner, type Store, withRetry } from '../../store/index.js';
import type { Log } from '../../store/log.js';
import type { Backends } from '../backends.js';
import { DELIVERY_CHANNEL } from '../changes/enqueue.js';
import { crashPoint } from '../crash-point.js';
import type { CoreTables, FileState } from '../schema.js';
import type { Targets } from '../targets.js';
import type { Backoff } from './backoff.js';
import { createBatcher } from './batcher.js';
import { prepare } from './claimed.js';
import { createDeliver } from './deliver.js';
import { expireWaiting } from './expire.js';
import { type Held, holdRows } from './held-rows.js';
import { lookAhead } from './look-ahead.js';
import type { DeliveryMetrics } from './metrics.js';
import { givenBack, type Outcome } from './outcome.js';
import { createPauses, type PauseKey } from './pauses.js';
import { dueTargets, leaseRows } from './queue.js';
import { reapPaths } from './reap.js';
import { recordOutcomes } from './record.js';
import type { Claimed } from './rows.js';
import { createSlots } from './slots.js';
import { createWake } from './wake.js';

export interface WorkerLimits {
  /** Transfers at the same time in this process; 0: it delivers nothing. */
  readonly workers: number;
  /** … and to one target. */
  readonly perTarget: number;
  /** A worker that is silent for this long loses its rows to another. */
  readonly leaseMs: number;
  /** A transfer that moves nothing for this long is broken off. */
  readonly stallMs: number;
  readonly retryFirstMs: number;
  readonly retryLongestMs: number;
  readonly verify: 'readback' | 'remote';
  /** How often to look without having been woken; 1 s by default. */
  readonly pollMs?: number;
  /** How long a target may take to leave off when it is told; 15 s by default. */
  readonly leaveMs?: number;
}

export interface WorkerDependencies {
  readonly store: Store<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly log: Log;
  readonly limits: WorkerLimits;
  readonly metrics?: DeliveryMetrics;
  /** In [0, 1). */
  readonly random?: () => number;
}

export interface DeliveryWorkers {
  /** What is left alone for the moment, and why. */
  paused(): readonly { readonly key: PauseKey; readonly reason: string }[];
  running(): number;
  /** Takes nothing more; what is under way ends within `graceMs` (30 s by default) or is broken off and goes back into the queue. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/** Longest pause between two probes of something that is down. */
const LONGEST_PAUSE = 60_000;
/** How long a row waits for another sender of its path. */
const BUSY_MS = 300;
/** Transfers that are done and wait for the store, at most; beyond that they keep their slots. */
const RECORDING = 128;
/** While many small files are done each moment, outcomes are written this far apart. */
const GATHER_MS = 40;
const LEAVE_MS = 15_000;
const ENDINGS: ReadonlySet<Outcome['kind']> = new Set(['notified', 'ended']);

/** Delivers queued rows until stopped. Any number of processes may do so on one database. */
export function startDeliveryWorkers(dependencies: WorkerDependencies): DeliveryWorkers {
  const { store, backends, targets, log, limits, metrics = {}, random = Math.random } = dependencies;
  const { leaseMs, perTarget, pollMs = 1_000 } = limits;
  const backoff: Backoff = { firstMs: limits.retryFirstMs, longestMs: limits.retryLongestMs };
  const { db } = store;
  const owner = leaseOwner();
  let storeId = '';
  const wake = createWake();
  const held = holdRows(db, owner, leaseMs, log);
  const slots = createSlots<Held & { readonly claimed: Claimed }>(limits.workers, perTarget);
  const tasks = new Set<Promise<void>>();
  const stopping = new AbortController();
  const pauses = createPauses({
    backoff: { ...backoff, longestMs: Math.min(backoff.longestMs, LONGEST_PAUSE) },
    random,
    onChange(key, paused, reason) {
      log.warn(
        { what: key, reason },
        paused ? 'deliveries wait: it does not work' : 'deliveries go on: it works again',
      );
      metrics.paused?.({ what: key }, paused);
      if (!paused) wake.wake();
    },
    async onStillDown(key, reason) {
      await expireWaiting(db, key, reason).catch((err) => log.warn({ err, what: key }, 'expired rows were not ended'));
    },
  });
  const recorder = createBatcher<Outcome, FileState | undefined>(
    async (outcomes) => {
      const written = await recordOutcomes(db, owner, outcomes);
      return outcomes.map((outcome) => written.get(outcome.row.id));
    },
    200,
    GATHER_MS,
  );

  /** Writes an outcome; a failure is logged, the lease then runs out and another worker finds the row. */
  async function record(outcome: Outcome): Promise<FileState | undefined> {
    try {
      const state = await recorder.add(outcome);
      const attempt = outcome.kind === 'postponed' ? outcome.reason === 'attempt' : ENDINGS.has(outcome.kind);
      if (attempt && state !== undefined)
        metrics.ended?.({
          target: outcome.row.target,
          outcome: state,
          errorClass: 'errorClass' in outcome ? outcome.errorClass : null,
        });
      return state;
    } catch (err) {
      log.error({ err, delivery: String(outcome.row.id) }, 'the outcome of a delivery could not be written');
      return undefined;
    }
  }

  const deliver = createDeliver({
    ...{ db, backends, targets, pauses, log, metrics, backoff, random, record },
    stopping: stopping.signal,
  });
  const pausedBackends = (): readonly string[] =>
    backends.all.map((backend) => backend.id).filter((id) => pauses.isPaused(`backend ${id}`));

  /** Takes what is due into the slots; how many rows it took. */
  async function refill(): Promise<number> {
    if (slots.room() === 0) return 0;
    const due = (await dueTargets(db)).filter((target) => !pauses.isPaused(`target ${target}`));
    const wanted = slots.share(due, (target) => (pauses.isOnTrial(`target ${target}`) ? 1 : perTarget));
    const since = performance.now();
    const rows = await leaseRows(db, {
      owner,
      ttlMs: leaseMs,
      wanted,
      pausedBackends: pausedBackends(),
    });
    if (rows.length === 0) return 0;
    crashPoint('after-lease');
    const items = held.add(rows, since);
    try {
      const { ready, settled } = await prepare(db, rows, targets, backends, { ttlMs: leaseMs, busyMs: BUSY_MS });
      const byId = new Map(items.map((item) => [item.row.id, item]));
      for (const claimed of lookAhead(ready, backends)) {
        const item = byId.get(claimed.row.id)!;
        item.path = claimed.path;
        slots.wait(claimed.row.target, Object.assign(item, { claimed }));
      }
      await Promise.all(settled.map((outcome) => record(outcome).finally(() => held.remove(outcome.row.id))));
    } catch (error) {
      await Promise.all(
        rows.map((row) => record(givenBack(row, { delayMs: pollMs })).finally(() => held.remove(row.id))),
      );
      throw error;
    }
    return rows.length;
  }

  function pump(): void {
    for (;;) {
      if (stopping.signal.aborted) return;
      const item = slots.take((target) => (pauses.isOnTrial(`target ${target}`) ? 1 : perTarget));
      if (item === null) return;
      const task = run(item).finally(() => {
        tasks.delete(task);
        metrics.running?.(tasks.size);
        pump();
        wake.wake();
      });
      tasks.add(task);
      metrics.running?.(tasks.size);
    }
  }

  async function run(item: Held & { readonly claimed: Claimed }): Promise<void> {
    const started = performance.now();
    const { row } = item;
    let freed = false;
    /** Lets the next transfer begin: when this one is only waiting for the store, and not too many do. */
    const free = (): void => {
      if (freed) return;
      freed = true;
      slots.done(row.target, performance.now() - started);
    };
    const { verify, stallMs, leaveMs = LEAVE_MS } = limits;
    try {
      await deliver(item.claimed, item.abort.signal, { verify, stallMs, leaveMs, storeId }, () => {
        if (tasks.size - slots.running() >= RECORDING) return;
        free();
        pump();
      });
    } catch (err) {
      log.error({ err, delivery: String(row.id) }, 'a delivery failed outside its transfer');
    } finally {
      held.remove(row.id);
      free();
    }
  }

  async function loop(): Promise<void> {
    if (limits.workers === 0) return;
    let faults = 0;
    while (!stopping.signal.aborted) {
      const before = wake.count();
      let taken = 0;
      try {
        if (storeId === '') storeId = await storeIdOf(store);
        taken = await refill();
        faults = 0;
      } catch (err) {
        log.warn({ err }, 'deliveries could not be taken from the store');
        await sleep(Math.min(100 * 2 ** faults++, 5_000), undefined, { signal: stopping.signal }).catch(
          () => undefined,
        );
      }
      pump();
      if (taken === 0) await wake.wait(before, pollMs);
    }
  }

  const listening = store.listen(DELIVERY_CHANNEL, (payload) => {
    // With an order's id: its rows were withdrawn.
    if (payload !== '') held.beat();
    wake.wake();
  });
  const looping = loop();
  let reaping: Promise<void> | null = null;
  const reaper = setInterval(
    () => {
      if (storeId === '') return;
      reaping ??= reapPaths(db, targets, storeId, stopping.signal)
        .then(
          (paths) => void (paths > 0 && log.info({ paths }, 'removed what lost senders had begun')),
          (err) => log.warn({ err }, 'what lost senders had begun could not be removed'),
        )
        .finally(() => {
          reaping = null;
        });
    },
    Math.max(leaseMs, 1_000),
  );
  let stopped: Promise<void> | undefined;

  async function stop(graceMs: number): Promise<void> {
    const reason = new Error('the gateway stops');
    stopping.abort(reason);
    clearInterval(reaper);
    wake.wake();
    await looping;
    await reaping;
    await Promise.all(
      slots
        .drain()
        .map(({ row, claimed: { path, filename } }) =>
          record(givenBack(row, { path, filename })).finally(() => held.remove(row.id)),
        ),
    );
    const grace = new AbortController();
    const limit = sleep(graceMs, undefined, { signal: grace.signal }).then(
      () => held.abortAll(reason),
      () => undefined,
    );
    await Promise.all(tasks);
    grace.abort();
    await limit;
    await pauses.close();
    await recorder.idle();
    await held.close();
    await listening.then((unlisten) => unlisten());
  }

  return {
    paused: () => pauses.list(),
    running: () => tasks.size,
    stop: ({ graceMs = 30_000 } = {}) => {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}

/** Part of temporary names: two stores may deliver to one place. */
async function storeIdOf(store: Store<CoreTables>): Promise<string> {
  const { generation } = await withRetry(store.db, (tx) =>
    tx.selectFrom('event_floor').select('generation').executeTakeFirstOrThrow(),
  );
  return generation.replace(/[^A-Za-z0-9]/g, '').slice(0, 8);
}
