import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, BackendFactory, Health } from '../../src/gateway/backend.js';
import { createWaker } from '../../src/gateway/waker.js';
import { bundledMapping, loadMapping, productMapper } from '../../src/mapping/index.js';
import { invalid, unknown } from '../../src/mpd/index.js';
import { holdLease, type Store } from '../../src/store/index.js';
import { arrivals, notWhole } from './arrivals.js';
import { fileCache, ownFolder } from './cache.js';
import { siteCaller } from './caller.js';
import { eddsIndex } from './catalogue.js';
import { type EddsConfig, eddsConfig } from './config.js';
import { followProducts } from './follow.js';
import { formsOnOffer } from './forms.js';
import { jobKeeper } from './jobs.js';
import { entryOfFound, findProducts, listProducts } from './list.js';
import { opener } from './open.js';
import { upstreamOf } from './orders.js';
import { placing } from './placing.js';
import { retriever } from './retrieve.js';
import { eddsService } from './service.js';
import { overlay, type SiteProfile, siteProfile, withoutFileServer } from './site.js';
import { submitter } from './submit.js';
import { CHANNEL, type EddsTables } from './tables.js';
import { depends } from './wanted.js';

const LEASE_MS = 10_000;

/** An EDDS as a backend: its catalogue as virtual products and files, its jobs for standing orders, their parts as products. */
export const createBackend: BackendFactory = async (entry, dependencies) => {
  const { store, log: parentLog, guard, clock } = dependencies;
  const config = eddsConfig(entry);
  const { id } = config;
  const log = parentLog.child({ backend: id });
  const db = (store as Store<EddsTables>).db;
  const mapping = await loadMapping(config.mapping ?? bundledMapping('edds.yaml'));
  const mapper = productMapper(mapping.products);
  const profile = profileOf(config, mapping.readers);
  const tls = config.tls === undefined ? null : await certificates(config.tls);
  const caller = siteCaller({
    profile,
    wsdl: config.wsdl,
    endpoint: config.endpoint ?? null,
    tls,
    idle: config.idle,
    guard: guard.allowing([config.wsdl, config.endpoint].flatMap(allowed)),
    headers: basicAuth(profile, config),
  });
  const service = eddsService({
    caller,
    profile,
    username: config.username ?? null,
    password: config.password ?? null,
    mission: config.mission ?? null,
  });
  const context = { domain: config.domain, mapper };
  const index = eddsIndex({ db, backend: id, mapper, profile, clock });
  const cache = fileCache({ folder: await ownFolder(config.cache.path), maxBytes: config.cache.maxBytes });
  const known = async (requestId: string): Promise<boolean> =>
    (await db
      .selectFrom('edds_job')
      .select('id')
      .where('backend', '=', id)
      .where('request_id', '=', requestId)
      .executeTakeFirst()) !== undefined;
  const submissions = submitter(service, clock, known);
  const retrieval = retriever({ service, submitter: submissions, cache });
  const closing = new AbortController();
  // Every call under way listens to it.
  setMaxListeners(0, closing.signal);
  const waker = createWaker();
  const jobsWaker = createWaker();
  const unlisten = await store.listen(CHANNEL, (payload) => {
    if (payload === undefined || payload === id) waker.wake();
  });

  let reading: Promise<void> | null = null;
  /** Reads the catalogue into the index; who asks while it is being read waits for the reading after that. */
  const refresh = async (): Promise<void> => {
    if (reading !== null) await reading.catch(() => undefined);
    reading ??= service
      .catalogue(null, closing.signal)
      .then((records) => index.catalogue(records))
      .finally(() => {
        reading = null;
      });
    return reading;
  };
  const places = placing({
    db,
    backend: id,
    wanted: config.delivery === 'edds',
    places: dependencies.places,
    profile,
    sharedFolders: config.sharedFolders,
    needsPart: depends,
  });
  const arrived = arrivals({
    db,
    backend: id,
    placing: places,
    cache,
    arrival: config.arrival,
    settle: config.settle,
  });
  const open = opener({
    service,
    cache,
    index,
    refresh,
    retriever: retrieval,
    reuse: config.reuse,
    maxWindow: config.maxWindow,
    closing: closing.signal,
    arrivals: arrived,
  });
  const jobs = jobKeeper({
    db,
    backend: id,
    service,
    cache,
    index,
    clock,
    log,
    submitter: submissions,
    partSeconds: config.partSeconds,
    period: config.period,
    overlap: config.overlap,
    lag: config.lag,
    arrival: config.arrival,
    maxWindow: config.maxWindow,
    placing: places,
    arrivals: arrived,
  });

  const repeat = async (
    pause: number,
    signal: AbortSignal,
    wait: (ms: number) => Promise<void>,
    work: () => Promise<void>,
  ): Promise<void> => {
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'EDDS cannot be read now');
        await index.problem((error as Error).message).catch(() => undefined);
      }
      await wait(pause);
    }
  };
  const working = repeat(
    1000,
    closing.signal,
    (ms) => quietSleep(ms, closing.signal),
    async () => {
      await holdLease(db, `edds:${id}`, { ttlMs: LEASE_MS, signal: closing.signal, log }, async (signal) => {
        await Promise.all([
          repeat(
            config.catalogue,
            signal,
            (ms) => quietSleep(ms, signal),
            async () => {
              await refresh();
              await index.forget(config.retention);
            },
          ),
          repeat(
            config.poll,
            signal,
            (ms) => jobsWaker.wait(ms, signal),
            () => jobs.turn(signal),
          ),
        ]);
      });
    },
  );

  const check = async (): Promise<Health> => {
    try {
      const missing = await caller.unresolved();
      if (missing.length > 0) {
        const names = missing.map(({ key, name }) => `${name} (site.${key})`);
        return { ok: false, reason: `the WSDL of EDDS lacks ${names.join(', ')}: adapt the site profile` };
      }
      await service.list(clock(), AbortSignal.any([closing.signal, AbortSignal.timeout(15_000)]));
    } catch (error) {
      return { ok: false, reason: `EDDS at ${shownAddress(config)}: ${(error as Error).message}` };
    }
    const state = await db.selectFrom('edds_state').selectAll().where('backend', '=', id).executeTakeFirst();
    if (state?.problem) return { ok: false, reason: `the catalogue could not be read: ${state.problem}` };
    const { running, waiting } = retrieval.pending;
    const counts = await db
      .selectFrom('edds_job')
      .select(({ fn }) => [
        fn.countAll<bigint>().filterWhere('purpose', '<>', 'past').as('jobs'),
        fn.countAll<bigint>().filterWhere('purpose', '=', 'past').as('past'),
      ])
      .where('backend', '=', id)
      .where('done', '=', false)
      .executeTakeFirstOrThrow();
    return {
      ok: true,
      reason: `EDDS answers; ${counts.jobs} jobs of standing orders (at most ${profile.limits.orderJobs}), ${counts.past} requests for the past of orders (at most ${profile.limits.batches} run at once), ${running} retrievals running, ${waiting} waiting`,
    };
  };

  const backend: Backend = {
    id,
    domains: [config.domain],
    capabilities: { feed: 'durable', ranges: false, upstream: true, checksum: 'sha-256', folders: false },
    productTypes: async () => mapper.types,
    typeGroups: mapper.groups,
    forms: formsOnOffer(profile, mapper),
    list: (query, options) => listProducts(db, id, context, query, options),
    async get(refs) {
      const found = await findProducts(index, context, refs);
      return found.map((one) => (one === null ? 'unknown' : entryOfFound(context, one)));
    },
    async open(ref, options) {
      const [found] = await findProducts(index, context, [ref]);
      if (found === undefined || found === null) throw unknown(null, `${ref.key} is not at this EDDS`);
      return open(found, { ...options, signal: AbortSignal.any([options.signal, closing.signal]) });
    },
    follow: (request, { signal }) =>
      followProducts(db, id, context, request, waker, AbortSignal.any([signal, closing.signal])),
    upstream: upstreamOf({
      db,
      backend: id,
      context,
      index,
      service,
      clock,
      maxWindow: config.maxWindow,
      partSeconds: config.partSeconds,
      period: config.period,
      lag: config.lag,
      placing: places,
      wake: jobsWaker.wake,
    }),
    async placement(ref, orderId) {
      const row = (await index.find([ref.key])).get(ref.key);
      const order = String(orderId);
      if (row?.record['part.placedFor'] !== order) {
        const reason = await places.reason(order);
        return { kind: 'gateway', reason: reason ? `the gateway sends: ${reason}` : null };
      }
      const elements = row.sha256 === null ? null : Number(row.record['part.elements']);
      return { kind: 'backend', check: (stream) => notWhole(stream, elements) };
    },
    check,
    async close() {
      closing.abort();
      waker.wake();
      jobsWaker.wake();
      await unlisten();
      await working;
      await service.close();
      await cache.remove();
    },
  };
  return backend;
};

function profileOf(config: EddsConfig, readers: unknown): SiteProfile {
  const base = (readers as { readonly site?: unknown } | undefined)?.site ?? {};
  const result = siteProfile.safeParse(overlay(base, config.site ?? {}));
  if (result.success) return config.delivery === 'edds' ? result.data : withoutFileServer(result.data);
  const [issue] = result.error.issues;
  throw invalid(`backends.${config.id}.site.${issue?.path.join('.') ?? ''}`, issue?.message ?? '', result.error);
}

/** The site's own addresses may be called. */
function allowed(address: string | undefined) {
  if (address === undefined || !URL.canParse(address)) return [];
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' || protocol === 'https:' ? [{ scheme: protocol.slice(0, -1), host: hostname }] : [];
}

function basicAuth(profile: SiteProfile, config: EddsConfig): Record<string, string> {
  if (profile.auth.method !== 'basic') return {};
  const credentials = Buffer.from(`${config.username ?? ''}:${config.password ?? ''}`).toString('base64');
  return { authorization: `Basic ${credentials}` };
}

async function certificates(files: NonNullable<EddsConfig['tls']>) {
  const read = async (name: 'ca' | 'cert' | 'key') =>
    files[name] === undefined ? {} : { [name]: await readFile(files[name], 'utf8') };
  return { ...(await read('ca')), ...(await read('cert')), ...(await read('key')) };
}

function shownAddress(config: EddsConfig): string {
  const address = config.endpoint ?? config.wsdl;
  return URL.canParse(address) ? new URL(address).host : address;
}

async function quietSleep(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
