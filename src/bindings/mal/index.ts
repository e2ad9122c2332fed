import type { Logger } from 'pino';
import type { Gateway } from '../../gateway/api.js';
import {
  createBroker,
  createGrammar,
  createProvider,
  ENCODINGS,
  type Endpoint,
  endpoint,
  type Listener,
  type Log,
  listenMalhttp,
  listenMaltcp,
  malError,
  type PubSubOperation,
} from '../../mal/index.js';
import {
  invalid,
  isMpdError,
  mpdArea,
  mpdRegistry,
  OrderManagement,
  type ProductMetadata,
  ProductOrderDelivery,
  ProductRetrieval,
} from '../../mpd/index.js';
import { createBodyReader } from './bodies.js';
import { createBudget } from './budget.js';
import type { MalBindingConfig, MalListenConfig } from './config.js';
import { malErrorOf } from './errors.js';
import { orderHandlers } from './orders.js';
import { createPrincipals, type MalCaller } from './principals.js';
import { createPublisher } from './publish.js';
import { retrievalHandlers } from './retrieval.js';
import { encodedMetadata } from './reuse.js';
import { type ServiceUris, serviceUris } from './uris.js';

export type * from './config.js';
export { providerUris, type ServiceUris } from './uris.js';

export interface MalBindingOptions {
  readonly gateway: Gateway;
  readonly config: MalBindingConfig;
  readonly log: Logger;
  /** The metadata as a principal may see it, with an address that works for consumers or none. */
  readonly present: (metadata: ProductMetadata, principal: string) => ProductMetadata;
  /** Name of the provider in update headers. */
  readonly source: string;
}

export interface MalAddress {
  /** `maltcp-split` and the like: for that encoding alone. */
  readonly binding: 'maltcp' | 'malhttp' | `maltcp-${string}`;
  /** Scheme, host and port, no slash at the end. */
  readonly root: string;
  readonly uris: ServiceUris;
}

export interface MalBinding {
  /** @returns one address for each transport. @throws MpdError Invalid when it cannot listen */
  listen(): Promise<readonly MalAddress[]>;
  /** Answers what is under way, for `limits.drainMs` at most; then ends connections. */
  close(): Promise<void>;
}

/** MPD over maltcp and malhttp: one broker and one set of handlers behind both. */
export function createMalBinding(options: MalBindingOptions): MalBinding {
  const { gateway, config, present } = options;
  const { capabilities, endpoints: names, limits } = config;
  const grammar = createGrammar(mpdRegistry, { reuse: [encodedMetadata()] });
  const log: Log = (level, event, details) => options.log[level](details, event);
  const principals = createPrincipals(gateway.access, config.rules);
  const bodies = createBodyReader(gateway.catalogue, createBudget(limits.held), limits.body);
  const broker = createBroker<MalCaller>({
    // An update is encoded once for all its subscribers, and is of a new product: nothing kept would be used again.
    grammar: createGrammar(mpdRegistry),
    log,
    authorise(caller, operation) {
      if (!isOffered(operation)) {
        throw malError('Unsupported Operation', `operation ${operation.name} of ProductOrderDelivery`);
      }
      publisher.subscribed(caller);
    },
    registered: (subscriber, operation, wants) => publisher.registered(subscriber, operation, wants),
  });
  const publisher = createPublisher({
    gateway,
    broker,
    principals,
    bodies,
    capabilities,
    present,
    source: options.source,
    log: options.log,
  });
  const isOffered = ({ name }: PubSubOperation): boolean =>
    capabilities[name as 'notifyProductDelivery' | 'deliverProducts'];

  const endpoints: readonly Endpoint<MalCaller>[] = [
    endpoint(names.retrieval, mpdArea, ProductRetrieval, retrievalHandlers({ gateway, config, bodies, present })),
    endpoint(names.orders, mpdArea, OrderManagement, orderHandlers(gateway, config)),
    ...[...new Set([names.delivery, names.broker])].map((name) =>
      endpoint(name, mpdArea, ProductOrderDelivery, {}, broker),
    ),
  ];
  const running: { readonly listener: Listener; readonly stop: () => Promise<void> }[] = [];

  async function open(binding: MalAddress['binding'], listen: MalListenConfig): Promise<MalAddress> {
    const scheme = binding === 'malhttp' ? 'malhttp' : 'maltcp';
    const provider = createProvider<MalCaller>({
      grammar,
      endpoints,
      log,
      authenticate: principals.authenticate,
      toMalError(error, operation) {
        if (isMpdError(error, 'Internal'))
          options.log.error({ err: error, operation: operation.name }, 'internal error');
        return malErrorOf(error, operation);
      },
      limits: { total: listen.interactions },
    });
    const published = listen.publicUri === null ? null : hostOf(listen.publicUri, scheme);
    const settings = {
      host: listen.host,
      port: listen.port,
      ...(published !== null && { publishedHost: published }),
      ...(listen.tls !== null && { tls: { ...listen.tls, minVersion: 'TLSv1.2' as const } }),
      encodings: listen.encodings.map((name) => ENCODINGS[name]),
      receive: provider.receive,
      reject: provider.reject,
      limits: { message: listen.maxFrame, connections: listen.connections },
      log,
    };
    let listener: Listener;
    try {
      listener = await (scheme === 'maltcp'
        ? listenMaltcp(settings)
        : listenMalhttp({ ...settings, ...(listen.mode !== undefined && { mode: listen.mode }) }));
    } catch (error) {
      const where = `${listen.host}:${listen.port}`;
      throw invalid(`listen.${scheme}`, `cannot listen on ${where}: ${(error as Error).message}`, error);
    }
    running.push({ listener, stop: () => provider.stop(limits.drainMs) });
    const root = listen.publicUri?.replace(/\/+$/, '') ?? listener.rootUri;
    const uris = serviceUris(root, names);
    options.log.info({ ...uris }, `${binding} listens`);
    return { binding, root, uris };
  }

  return {
    async listen() {
      await publisher.start();
      const addresses: MalAddress[] = [];
      for (const binding of ['maltcp', 'malhttp'] as const) {
        const listen = config[binding];
        if (listen !== null) addresses.push(await open(binding, listen));
      }
      for (const { encoding, port } of config.maltcp === null ? [] : config.encodingPorts) {
        const only = { ...config.maltcp!, port, encodings: [encoding], publicUri: publicAt(config.maltcp!, port) };
        addresses.push(await open(`maltcp-${encoding.replace('binary-', '')}`, only));
      }
      return addresses;
    },
    async close() {
      await Promise.all(running.map(({ stop }) => stop()));
      await publisher.stop();
      await Promise.all(running.splice(0).map(({ listener }) => listener.close()));
    },
  };
}

/** The same public host, at another port. */
const publicAt = ({ publicUri }: MalListenConfig, port: number): string | null =>
  publicUri === null ? null : publicUri.replace(/(:\d{1,5})?\/?$/, `:${port}`);

function hostOf(uri: string, binding: 'maltcp' | 'malhttp'): string {
  const [, literal, name] = /^mal(?:tcp|http):\/\/(?:\[([^\]]+)\]|([^:/]+))(?::\d{1,5})?\/?$/.exec(uri) ?? [];
  const host = literal ?? name;
  if (host === undefined || !uri.startsWith(`${binding}://`)) {
    throw invalid(`listen.${binding}.publicUri`, `must be a URI such as ${binding}://mpd.example.int:61616`);
  }
  return host;
}
