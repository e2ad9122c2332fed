import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import {
  createMalBinding,
  type MalAddress,
  type MalBinding,
  type MalBindingConfig,
  type MalListenConfig,
  providerUris,
} from './bindings/mal/index.js';
import type { GatewayConfig } from './config/index.js';
import type { Gateway } from './gateway/api.js';
import type { ProductMetadata } from './mpd/index.js';

/** Bodies held for MAL messages: that many of the largest. */
const HELD_BODIES = 4;
const DRAIN_MS = 10_000;

/** The MAL binding as gateway.yaml says; null when neither transport is configured. */
export function createMal(
  config: GatewayConfig,
  gateway: Gateway,
  present: (metadata: ProductMetadata, principal: string) => ProductMetadata,
  log: Logger,
): MalBinding | null {
  const { listen, limits } = config;
  if (listen.maltcp === undefined && listen.malhttp === undefined) return null;
  if (config.access.mal.length === 0) {
    log.warn('access.mal is empty: every MAL consumer is refused until a network is given a principal');
  }
  const binding: MalBindingConfig = {
    maltcp: listenConfig(listen.maltcp),
    malhttp: listenConfig(listen.malhttp),
    encodingPorts: (['fixed', 'variable', 'split'] as const).flatMap((name) => {
      const port = listen.maltcp?.encodingPorts[name];
      return port === undefined ? [] : [{ encoding: `binary-${name}` as const, port }];
    }),
    endpoints: listen.endpoints,
    rules: config.access.mal,
    capabilities: config.capabilities,
    namedFilters: config.extensions.malNamedFilters,
    limits: {
      results: limits.results,
      products: limits.products,
      body: limits.mal.maxBody,
      held: limits.mal.maxBody * HELD_BODIES,
      drainMs: DRAIN_MS,
    },
  };
  return createMalBinding({ gateway, config: binding, log, present, source: config.gateway.name });
}

function listenConfig(section: GatewayConfig['listen']['maltcp' | 'malhttp']): MalListenConfig | null {
  if (section === undefined) return null;
  const { host, port, encodings, publicUri, tls, maxFrame, connections, interactions } = section;
  return {
    ...{ host, port, maxFrame, connections, interactions },
    publicUri: publicUri ?? null,
    tls: tls ?? null,
    encodings: encodings.map((name) => `binary-${name}` as const),
    ...('mode' in section && { mode: section.mode }),
  };
}

/** Writes `providerURIs.properties` where `listen.providerUris` says; maltcp before malhttp. */
export async function writeProviderUris(config: GatewayConfig, addresses: readonly MalAddress[]): Promise<void> {
  const path = config.listen.providerUris;
  const [first] = addresses;
  if (path === undefined || first === undefined) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, providerUris(first.uris, config.backends[0]?.domain ?? []), 'latin1');
}
