import { readFile } from 'node:fs/promises';
import type { Backend, BackendFactory } from '../../src/gateway/backend.js';
import type { Examinable } from '../../src/gateway/examine.js';
import { bundledMapping, loadMapping } from '../../src/mapping/index.js';
import { invalid } from '../../src/mpd/index.js';
import type { AllowRule, Guard } from '../../src/net/guard.js';
import type { Store } from '../../src/store/index.js';
import { createCatalogue } from './catalogue.js';
import { bodiesOf, type DataDriveConfig, dataDriveConfig } from './config.js';
import { examine } from './examine/index.js';
import { createFollower } from './follow.js';
import { getFiles } from './get.js';
import { dataDriveHealth } from './health.js';
import { createHttp } from './http.js';
import { listFiles } from './list.js';
import { createLogin } from './login.js';
import { openFile } from './open.js';
import type { Index } from './pages.js';
import { pepSource } from './pep.js';
import { createPoller } from './poll.js';
import { createQueue } from './queue.js';
import { s3Source } from './s3.js';
import type { ObjectType } from './schema.js';
import { createSearch } from './search.js';
import { createSeen } from './seen.js';
import { listen } from './socket.js';
import type { DataDriveTables } from './tables.js';

/** DataDrive as a backend: the Elasticsearch index for what there is, S3 or the data endpoint for the bytes, the feed for what is new. */
export const createBackend: BackendFactory = async (entry, { store, log: parentLog, guard: parentGuard, clock }) => {
  const config = dataDriveConfig(entry);
  const log = parentLog.child({ backend: config.id });
  const guard = parentGuard.allowing(rulesOf(config));
  const http = createHttp(guard);
  const login = config.login ? createLogin(config.login, http) : null;
  const search = createSearch(config.elasticsearch, http, login);
  const mapping = await loadMapping(config.mapping ?? bundledMapping('datadrive.yaml'));
  const catalogue = createCatalogue(config, search, mapping.products, await objectTypesOf(config));
  const bytes = bytesOf(config, guard, http, login);
  const seen = createSeen((store as Store<DataDriveTables>).db, config.id);
  const index: Index = { config, search, catalogue, namesakes: seen.namesakes };
  const follower = createFollower(index, seen, createPoller(index, seen, clock), config.feed, log);
  const closing = new AbortController();
  const queue = config.queue ? createQueue(config.queue, guard) : null;
  let listening: Promise<unknown> | undefined;

  const backend: Backend & Examinable = {
    id: config.id,
    domains: [config.domain],
    capabilities: {
      ...{ feed: 'durable', ranges: true, upstream: false, folders: true },
      checksum: config.checksum === 'none' ? null : config.checksum,
    },
    productTypes: async () => (await catalogue.current(closing.signal)).mapper.types,
    list: (query, options) => listFiles(index, query, options),
    get: (refs, signal) => getFiles(index, refs, signal ?? closing.signal),
    open: (ref, options) => openFile(index, bytes, ref, options),
    follow(request, { signal }) {
      // Whoever follows needs the feed; the other gateways on this database do not.
      const { event: onEvent, gap: onGap, hint: onHint } = follower;
      const common = { guard, log, signal: closing.signal, onEvent, onGap };
      listening ??= Promise.all([
        config.middleware && login && listen({ ...common, config: config.middleware, login }),
        queue?.listen({ ...common, onHint }),
      ]);
      return follower.follow(request, AbortSignal.any([signal, closing.signal]));
    },
    check: () => dataDriveHealth(index, bytes),
    examine: (signal) => examine({ config, search, bytes, http, login, queue, products: mapping.products }, signal),
    async close() {
      closing.abort();
      await listening;
      queue?.close();
      bytes.close();
    },
  };
  return backend;
};

function bytesOf(
  config: DataDriveConfig,
  guard: Guard,
  http: ReturnType<typeof createHttp>,
  login: ReturnType<typeof createLogin> | null,
): ReturnType<typeof s3Source> {
  if (bodiesOf(config) === 's3' && config.s3) return s3Source(config.s3, guard);
  if (config.pep && login) return pepSource(config.pep, http, login);
  throw invalid(`backends.${config.id}.bodies`, 'neither S3 nor a data endpoint with a login is configured');
}

/** Hosts that the configuration names, and no others. */
export function rulesOf(config: DataDriveConfig): readonly AllowRule[] {
  const { elasticsearch, s3, pep, middleware, queue, login } = config;
  const urls = [
    elasticsearch.url,
    s3?.endpoint,
    pep?.url,
    middleware?.url,
    queue?.url,
    login?.cam?.url,
    ...(pep?.links ?? []),
  ];
  const rules = urls.flatMap((text): readonly AllowRule[] => {
    if (text === undefined) return [];
    const { protocol, hostname, port } = new URL(text.includes('://') ? text : `https://${text}`);
    return [{ scheme: protocol.slice(0, -1), host: hostname, ...(port !== '' && { port: Number(port) }) }];
  });
  const virtualHosts = s3?.endpoint && s3.pathStyle === false ? [`*.${new URL(s3.endpoint).hostname}`] : [];
  const amazon = s3 && !s3.endpoint ? ['*.amazonaws.com'] : [];
  return [...rules, ...[...virtualHosts, ...amazon].map((host) => ({ scheme: 'https', host }))];
}

export async function objectTypesOf({ id, objectTypes }: DataDriveConfig): Promise<readonly ObjectType[]> {
  if (!objectTypes) return [];
  try {
    return JSON.parse(await readFile(objectTypes, 'utf8')) as readonly ObjectType[];
  } catch (error) {
    throw invalid(`backends.${id}.objectTypes`, `cannot be read: ${(error as Error).message}`, error);
  }
}
