import { setMaxListeners } from 'node:events';
import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { Store } from '../store/index.js';
import { ACCESS_CHANNEL, createAccess } from './access/access.js';
import type { Gateway } from './api.js';
import type { Backend, Upstream } from './backend.js';
import type { Backends } from './backends.js';
import { createCatalogue } from './catalogue/catalogue.js';
import { createNamedFilters } from './catalogue/filters.js';
import { followBackend } from './changes/follow.js';
import { createDeliveries } from './delivery/deliveries.js';
import type { DeliveryMetrics } from './delivery/metrics.js';
import { type DeliveryWorkers, startDeliveryWorkers, type WorkerLimits } from './delivery/workers.js';
import { createEvents, expireEvents } from './events/events.js';
import { checkHealth } from './health.js';
import { startLoop } from './loop.js';
import { runBackfillChunk } from './orders/backfill.js';
import { expireOrders } from './orders/expire.js';
import { createForeignOrders } from './orders/foreign.js';
import { createLiveOrders } from './orders/live.js';
import { createOrders } from './orders/orders.js';
import { reconcileUpstream } from './orders/upstream.js';
import type { CoreTables } from './schema.js';
import type { Targets } from './targets.js';

export interface GatewayOptions {
  readonly store: Store<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly log: Logger;
  readonly limits: {
    readonly page: number;
    readonly products: number;
    readonly orders: (principal: string) => number;
    readonly filters: (principal: string) => number;
    readonly deadlineSeconds: number;
  };
  readonly workers: WorkerLimits;
  readonly sweep: { readonly intervalMs: number; readonly overlapMs: number };
  readonly eventRetentionMs: number;
  /** How long a silent gateway keeps following a backend before another takes over. */
  readonly leaseMs?: number;
  readonly metrics?: DeliveryMetrics;
}

export interface RunningGateway {
  readonly gateway: Gateway;
  /** Begins to follow backends, to deliver, and to keep orders and events in order. */
  start(): void;
  /** Lets what is under way end or become resumable. */
  stop(): Promise<void>;
}

/** The core: every binding stands on `gateway`, every backend and target is given. */
export function createGateway(options: GatewayOptions): RunningGateway {
  const { store, backends, targets, log, limits } = options;
  const db: Kysely<CoreTables> = store.db;
  const wakers: (() => void)[] = [];
  const access = createAccess(db);
  const filters = createNamedFilters(db, limits.filters);
  const catalogue = createCatalogue({ db, backends, access, filters, pageLimit: limits.page });
  const wake = () => {
    for (const each of wakers) each();
  };
  let workers: DeliveryWorkers | undefined;
  const foreign = createForeignOrders(backends, log);
  const orders = createOrders({
    foreign,
    db,
    backends,
    targets,
    filters,
    deadlineSeconds: limits.deadlineSeconds,
    quota: limits.orders,
    wake,
  });
  const deliveries = createDeliveries({ store, backends, targets, access, catalogue, log, limits });
  const gateway: Gateway = {
    catalogue,
    filters,
    orders,
    deliveries,
    events: createEvents(store, access),
    access,
    health: () => checkHealth(store, backends, targets, workers?.paused() ?? []),
  };

  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const stops: (() => Promise<void>)[] = [];
  return {
    gateway,
    start() {
      const loop = (name: string, pauseMs: number, work: () => Promise<boolean>) => {
        const started = startLoop(name, pauseMs, log, work);
        wakers.push(started.wake);
        stops.push(started.stop);
      };
      const unlisten = store.listen(ACCESS_CHANNEL, access.forget);
      stops.push(async () => (await unlisten)());
      const liveOrders = createLiveOrders();
      for (const backend of backends.all) {
        const following = followBackend(
          backend,
          { db, liveOrders, log, sweep: options.sweep, ...(options.leaseMs && { leaseMs: options.leaseMs }) },
          stopping.signal,
        );
        stops.push(() => following);
        if (hasUpstream(backend))
          loop(`upstream ${backend.id}`, 5_000, () => reconcileUpstream(db, backend, log).then(() => false));
      }
      if (backends.all.some(hasUpstream)) loop('orders of others', 60_000, () => foreign.refresh().then(() => false));
      loop('backfill', 2_000, () => runBackfillChunk(db));
      loop('expiry', 1_000, async () => (await expireOrders(db)) > 0);
      loop('retention', 60_000, () => expireEvents(db, options.eventRetentionMs).then(() => false));
      workers = startDeliveryWorkers({
        store,
        backends,
        targets,
        log,
        limits: options.workers,
        ...(options.metrics && { metrics: options.metrics }),
      });
      stops.push(async () => workers?.stop());
    },
    async stop() {
      stopping.abort();
      await Promise.all(stops.map((stop) => stop()));
    },
  };
}

const hasUpstream = (backend: Backend): backend is Backend & { readonly upstream: Upstream } =>
  backend.upstream !== undefined;
