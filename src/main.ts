import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import {
  createHttpBinding,
  createLinks,
  HTTP_DEFAULTS,
  type HttpBinding,
  type HttpBindingConfig,
  type Links,
} from './bindings/http/index.js';
import type { BackendConfig, GatewayConfig } from './config/index.js';
import type { Gateway, Principal } from './gateway/api.js';
import type { Backend, BackendModule } from './gateway/backend.js';
import { createBackends } from './gateway/backends.js';
import { withCapabilities } from './gateway/capabilities.js';
import { createSealer } from './gateway/delivery/seal.js';
import { createGateway, type RunningGateway } from './gateway/gateway.js';
import { coreMigrations } from './gateway/migrations.js';
import { orderPlaces } from './gateway/orders/places.js';
import type { CoreTables } from './gateway/schema.js';
import { createTargets } from './gateway/targets.js';
import { createMal, writeProviderUris } from './mal-binding.js';
import { deliveryMetrics } from './metrics.js';
import { loadAdapter, loadTargets } from './modules.js';
import { createGuard } from './net/guard.js';
import { type Migrations, migrate, openStore, type Store, storeMigrations } from './store/index.js';
import { VERSION } from './version.js';

export interface StartOptions {
  readonly log: Logger;
  readonly signal?: AbortSignal;
  /** false: no bindings, nothing followed or delivered; for commands that only look or change settings. */
  readonly run?: boolean;
}

export interface Started {
  readonly gateway: Gateway;
  readonly store: Store<CoreTables>;
  readonly backends: readonly Backend[];
  /** Where each binding listens. */
  readonly urls: Readonly<Record<string, string>>;
  /** Ends what is under way, or leaves it resumable; then closes everything. */
  stop(): Promise<void>;
}

/** The composition root: config → store → backends → gateway → bindings. */
export async function startGateway(config: GatewayConfig, options: StartOptions): Promise<Started> {
  const { log, run = true } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const entries = config.backends.filter((entry) => entry.enabled);
    const adapters = await Promise.all(entries.map(loadAdapter));
    const store = await openStore<CoreTables>(
      config.store.url === undefined ? { dir: config.store.dir } : { url: config.store.url },
      { log, poolSize: config.store.pool, ...(options.signal && { signal: options.signal }) },
    );
    closers.push(() => store.close());
    await migrate(store.db, migrationsOf(adapters), log);
    if (config.store.url === undefined) await releaseEverything(store);

    const guard = createGuard({ allow: config.targets.allow });
    closers.push(async () => guard.close());
    const clock = () => BigInt(Date.now()) * 1_000_000n;
    const targetModules = await loadTargets(config.targets.modules);
    const targets = createTargets({
      targets: await Promise.all(targetModules.map((module) => module.createTarget(config.targets, { log, guard }))),
      config: config.targets,
      ...(config.gateway.secret !== undefined && {
        sealer: createSealer(digest(`seal ${config.gateway.secret}`)),
      }),
    });
    closers.push(() => targets.close());
    const places = orderPlaces(store.db, targets);

    const backends: Backend[] = [];
    for (const [i, entry] of entries.entries()) {
      const backend = await adapters[i]!.createBackend(adapterConfig(entry), {
        store: store as Store,
        log: log.child({ backend: entry.id }),
        guard,
        clock,
        places,
      });
      closers.push(() => backend.close());
      backends.push(backend);
    }
    const metrics = new Registry();
    const running = assemble(config, store, backends, targets, log, metrics);
    await running.gateway.access.syncConfigured(config.access.principals.map(principalOf));
    const gateway = withCapabilities(running.gateway, config.capabilities);
    const urls: Record<string, string> = {};
    if (run) {
      running.start();
      closers.push(() => running.stop());
      const links = await sharedLinks(config, store, clock);
      const details: Record<string, Readonly<Record<string, string>>> = {};
      if (config.listen.http.enabled) {
        const http = createHttp(config, gateway, backends, { urls, details }, links, log, metrics);
        urls.http = (await http.listen()).url;
        closers.push(() => http.close());
      }
      const mal = createMal(config, running.gateway, links.withExternalUri, log);
      if (mal !== null) {
        closers.push(() => mal.close());
        const addresses = await mal.listen();
        for (const { binding, root, uris } of addresses) {
          urls[binding] = root;
          details[binding] = { ...uris };
        }
        await writeProviderUris(config, addresses);
      }
    }
    return { gateway, store, backends, urls, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What an adapter checks: the entry without what the composition root has used up. */
function adapterConfig({ kind: _kind, enabled: _enabled, module: _module, domains, ...own }: BackendConfig) {
  return domains.length > 1 ? { ...own, domains } : own;
}

/** Everything the database needs, in order: store, core, then the adapters in use. */
export function migrationsOf(adapters: readonly BackendModule[]): Migrations {
  return Object.assign({}, storeMigrations, coreMigrations, ...adapters.map((adapter) => adapter.migrations ?? {}));
}

/** The embedded database belongs to one gateway at a time: whatever is still held was held by one that is gone. */
async function releaseEverything(store: Store<CoreTables>): Promise<void> {
  await store.db.transaction().execute(async (tx) => {
    await sql`update lease set owner = null, until = null where until is not null`.execute(tx);
    await sql`update delivery set owner = null, until = null where until is not null`.execute(tx);
    await sql`update target_path set until = null where until is not null`.execute(tx);
  });
}

function assemble(
  config: GatewayConfig,
  store: Store<CoreTables>,
  backends: readonly Backend[],
  targets: ReturnType<typeof createTargets>,
  log: Logger,
  metrics: Registry,
): RunningGateway {
  const { limits, delivery } = config;
  const quotas = new Map(config.access.principals.map((principal) => [principal.id, principal.quotas]));
  return createGateway({
    store,
    backends: createBackends(backends),
    targets,
    log,
    limits: {
      page: limits.page,
      products: limits.products,
      orders: (id) => quotas.get(id)?.orders ?? limits.quotas.orders,
      filters: (id) => quotas.get(id)?.filters ?? limits.quotas.filters,
      deadlineSeconds: Math.ceil(delivery.deadline / 1000),
    },
    workers: {
      workers: delivery.workers,
      perTarget: delivery.perTarget,
      leaseMs: delivery.lease,
      stallMs: delivery.stall,
      retryFirstMs: delivery.retry.first,
      retryLongestMs: delivery.retry.longest,
      verify: delivery.verify,
    },
    sweep: { intervalMs: config.sweep.interval, overlapMs: config.sweep.overlap },
    eventRetentionMs: config.events.retention,
    metrics: deliveryMetrics(metrics),
  });
}

const principalOf = ({
  id,
  role,
  policy,
  disabled,
}: GatewayConfig['access']['principals'][number]): Principal & { disabled: boolean } => ({
  id,
  role,
  policy: policy ?? null,
  disabled,
});

function createHttp(
  config: GatewayConfig,
  gateway: Gateway,
  backends: readonly Backend[],
  { urls, details }: Listening,
  links: Links,
  log: Logger,
  metrics: Registry,
): HttpBinding {
  const { http } = config.listen;
  const { limits } = config;
  const binding: HttpBindingConfig = {
    host: http.host,
    port: http.port,
    tls: http.tls ?? null,
    publicUrl: config.gateway.publicUrl ?? null,
    linkSecret: null,
    linkLifetimeSeconds: Math.ceil(config.gateway.linkLifetime / 1000),
    corsOrigins: http.cors.origins,
    openMetrics: http.openMetrics,
    limits: {
      ...HTTP_DEFAULTS.limits,
      json: http.maxBody,
      connections: http.connections,
      requestsPerMinute: limits.rate.requestsPerMinute,
      failuresPerMinute: limits.rate.failuresPerMinute,
      streams: limits.streams,
      page: limits.page,
      receiveMs: http.requestTimeout,
      answerMs: http.answerTimeout,
      stallMs: http.stall,
      drainMs: http.drain,
    },
  };
  const owners = createBackends(backends);
  return createHttpBinding({
    gateway,
    config: binding,
    log,
    metrics,
    links,
    services: () => ({
      name: config.gateway.name,
      version: VERSION,
      services: Object.entries(urls).map(([name, uri]) => ({
        ...{ binding: name, uri, services: SERVICES },
        details: details[name] ?? {},
      })),
    }),
    checksums: (domain) => owners.find(domain)?.capabilities.checksum ?? null,
  });
}

/** Where each binding listens, and what else consumers need to know of it. */
interface Listening {
  readonly urls: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** One way to make links for all bindings. */
async function sharedLinks({ gateway }: GatewayConfig, store: Store<CoreTables>, clock: () => bigint): Promise<Links> {
  return createLinks({
    publicUrl: gateway.publicUrl ?? null,
    secret: gateway.secret ? digest(`links ${gateway.secret}`).toString('hex') : await sharedSecret(store),
    lifetimeSeconds: Math.ceil(gateway.linkLifetime / 1000),
    clock,
  });
}

const SERVICES = ['ProductRetrieval', 'OrderManagement', 'ProductOrderDelivery'] as const;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A secret that all gateways of this database share, made at the first start. */
async function sharedSecret({ db }: Store<CoreTables>): Promise<string> {
  await db
    .insertInto('setting')
    .values({ name: 'link-secret', value: randomBytes(32).toString('base64url') })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await db.selectFrom('setting').select('value').where('name', '=', 'link-secret').executeTakeFirstOrThrow())
    .value;
}
