import {
  type ClientTransport,
  type Consumer,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  isMalError,
  type MalhttpClient,
  malError,
  malhttpClient,
  maltcpClient,
  type ObjectRef,
  objectRefId,
} from '../../src/mal/index.js';
import {
  fromMalError,
  type MpdError,
  mpdArea,
  mpdRegistry,
  OrderManagement,
  type Product,
  type ProductMetadata,
  ProductOrderDelivery,
  ProductRetrieval,
  type StandingOrder,
  type TimeWindow,
  unknown,
} from '../../src/mpd/index.js';
import type { Guard } from '../../src/net/guard.js';
import { localAddress } from '../../src/net/local-address.js';
import type { MpdConfig } from './config.js';

const { listProducts, getProducts } = ProductRetrieval.operations;
const { listStandingOrders, submitStandingOrder, cancelStandingOrder } = OrderManagement.operations;
const { deliverProducts } = ProductOrderDelivery.operations;

const NO_FILTER = { productType: null, domain: null, sources: null, attributeFilter: null };

export interface ListQuery {
  readonly domain: readonly string[] | null;
  readonly created: TimeWindow | null;
}

/** The calls that the adapter makes. Every failure is an MpdError, or the reason of the signal. */
export interface MpdService {
  list(query: ListQuery, signal: AbortSignal): Promise<readonly ProductMetadata[]>;
  get(ref: ObjectRef, signal: AbortSignal): Promise<Product>;
  /** The metadata as the provider gives it now; null when it no longer lists the product. */
  current(known: ProductMetadata, signal: AbortSignal): Promise<ProductMetadata | null>;
  /** null: of all users that the provider lets this one see. */
  orders(user: string | null, signal: AbortSignal): Promise<readonly StandingOrder[]>;
  submit(order: StandingOrder, signal: AbortSignal): Promise<bigint>;
  cancel(orderID: bigint, signal: AbortSignal): Promise<void>;
  /** Products delivered to the orders of a user, from the moment this resolves until the signal; registers again when the connection is lost. */
  watch(
    user: string,
    onState: (state: 'registered' | 'lost') => void,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Product>>;
  close(): Promise<void>;
}

export async function mpdService(config: MpdConfig, guard: Guard): Promise<MpdService> {
  const encoding = ENCODINGS[config.encoding];
  const { protocol, hostname, port } = new URL(config.url.replace(/^mal/, ''));
  const scheme = `mal${protocol.slice(0, -1)}`;
  const guarded = guard.allowing([{ scheme, host: hostname }]);
  let http: MalhttpClient | null = null;
  let transport: ClientTransport;
  if (scheme === 'malhttp') {
    guarded.check(config.url);
    http = await malhttpClient({
      encoding,
      mode: config.httpMode,
      host: config.listenHost ?? (await localAddress(config.url)),
      lookup: guarded.lookup(scheme, Number(port)),
    });
    transport = http;
  } else {
    const dial = (host: string, port: number) =>
      guarded
        .connect(`maltcp://${host.includes(':') ? `[${host}]` : host}:${port}`, { timeoutMs: config.timeout })
        .catch((error: MpdError) => {
          if (error.class === 'refuse') throw error;
          throw malError('Destination Transient', error.message, error);
        });
    transport = maltcpClient({ encoding, dial });
  }
  const session = createSession({ transport, grammar: createGrammar(mpdRegistry), timeoutMs: config.timeout });
  const at = (name: string): string => `${config.url}/${name}`;
  const consumer = (service: Parameters<typeof createConsumer>[0]['service'], name: string): Consumer =>
    createConsumer({ session, area: mpdArea, service, uri: at(name), brokerUri: at(config.endpoints.broker) });
  const retrieval = consumer(ProductRetrieval, config.endpoints.retrieval);
  const management = consumer(OrderManagement, config.endpoints.orders);
  const delivery = consumer(ProductOrderDelivery, config.endpoints.delivery);

  return {
    async list({ domain, created }, signal) {
      const productFilter = { ...NO_FILTER, domain };
      const body = { productFilter, creationDate: created, contentDate: null };
      return (await translated(retrieval.request(listProducts, body, { signal }))).metadatas;
    },
    async get(ref, signal) {
      const { updates, response } = await translated(
        retrieval.progress(getProducts, { productRefs: [ref] }, { signal }),
      );
      let found: Product | null = null;
      await translated(
        (async () => {
          for await (const { product } of updates) found = product;
          await response;
        })(),
      );
      if (found === null) throw unknown([0], `${ref.key}: the provider sent no product`);
      return found;
    },
    async current({ productRef, productType, creationDate }, signal) {
      const productFilter = { ...NO_FILTER, productType: productType.name };
      const body = { productFilter, creationDate: { start: creationDate, end: creationDate }, contentDate: null };
      const { metadatas } = await translated(retrieval.request(listProducts, body, { signal }));
      const id = objectRefId(productRef);
      return metadatas.find((metadata) => objectRefId(metadata.productRef) === id) ?? null;
    },
    orders: async (user, signal) =>
      (await translated(management.request(listStandingOrders, { user, domain: null }, { signal }))).standingOrders,
    submit: async (orderDetails, signal) =>
      (await translated(management.request(submitStandingOrder, { orderDetails }, { signal }))).orderID,
    cancel: (orderID, signal) => translated(management.submit(cancelStandingOrder, { orderID }, { signal })),
    async watch(user, onState, signal) {
      const filters = [{ name: 'user', values: [{ type: 'Identifier' as const, value: user }] }];
      const updates = await translated(delivery.subscribe(deliverProducts, { filters }, { signal, onState }));
      return (async function* () {
        for await (const { body } of updates) yield body.product;
      })();
    },
    async close() {
      await session.close();
      await http?.close();
      guarded.close();
    },
  };
}

async function translated<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw isMalError(error) ? fromMalError(error) : error;
  }
}
