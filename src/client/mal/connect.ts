import {
  type ClientTransport,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  isMalError,
  type MalhttpClient,
  malhttpClient,
  maltcpClient,
  type ObjectRef,
  type SubscriptionFilter,
  type Update,
  type Updates,
} from '../../mal/index.js';
import {
  fromMalError,
  mpdArea,
  mpdRegistry,
  OrderManagement,
  type Product,
  ProductOrderDelivery,
  ProductRetrieval,
  type TimeWindow,
  unknown,
  unsupported,
} from '../../mpd/index.js';
import { localAddress } from '../../net/local-address.js';
import type { CallOptions, DeliveredFile, ListedProduct, ProductBody, ProductQuery } from '../client.js';
import { parseAddress } from './address.js';
import { ENDPOINT_NAMES, type MalClient, type MalClientOptions, type WatchOptions, type WatchQuery } from './client.js';

const { listProducts, getProducts, deliverProductFiles } = ProductRetrieval.operations;
const { listStandingOrders, submitStandingOrder, cancelStandingOrder } = OrderManagement.operations;
const { deliverProducts, notifyProductDelivery } = ProductOrderDelivery.operations;

const NO_FILTER = { productType: null, domain: null, sources: null, attributeFilter: null };

/** A client of an MPD provider over maltcp or malhttp; nothing is sent before the first call. @throws MpdError Invalid for a bad URL */
export function connectMal(url: string, options: MalClientOptions = {}): MalClient {
  const address = parseAddress(url);
  const encoding = ENCODINGS[options.encoding ?? address.encoding ?? 'binary-fixed'];
  const mode = options.httpMode ?? address.mode ?? 'request-response';
  const names = { ...ENDPOINT_NAMES, ...options.endpoints };
  const lazyHttp = lazy(async () =>
    malhttpClient({
      encoding,
      mode,
      host: options.listen?.host ?? (await localAddress(address.root)),
      ...options.listen,
    }),
  );
  const transport: ClientTransport =
    address.scheme === 'maltcp' ? maltcpClient({ encoding }) : throughHttp(encoding, lazyHttp.get);
  const session = createSession({
    transport,
    grammar: createGrammar(mpdRegistry),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.authenticationId === undefined ? {} : { authenticationId: options.authenticationId }),
  });
  const at = (name: string): string => `${address.root}/${name}`;
  const common = { session, area: mpdArea };
  const retrieval = createConsumer({ ...common, service: ProductRetrieval, uri: at(names.retrieval) });
  const management = createConsumer({ ...common, service: OrderManagement, uri: at(names.orders) });
  const delivery = createConsumer({
    ...common,
    service: ProductOrderDelivery,
    uri: at(names.delivery),
    brokerUri: at(names.broker),
  });

  async function* list(query: ProductQuery, callOptions: CallOptions): AsyncGenerator<ListedProduct> {
    if (query.tree != null) throw unsupported('MAL has no Boolean filters: use a ProductFilter, or HTTP');
    const { metadatas } = await translated(
      retrieval.request(
        listProducts,
        {
          productFilter: query.productFilter ?? NO_FILTER,
          creationDate: onWire(query.created),
          contentDate: onWire(query.content),
        },
        callOptions,
      ),
    );
    for (const metadata of metadatas) {
      const updatedAt = metadata.fileMetadata?.updateDate ?? null;
      yield { metadata, revision: null, updatedAt, path: null, fileName: null };
    }
  }

  async function* get(productRefs: readonly ObjectRef[], callOptions: CallOptions): AsyncGenerator<Product> {
    const { updates, response } = await translated(retrieval.progress(getProducts, { productRefs }, callOptions));
    for await (const { product } of errorsOf(updates)) yield product;
    await translated(response);
  }

  async function* deliveredFiles(
    updates: AsyncIterable<{ metadata: DeliveredFile['metadata']; filename: string; success: boolean }>,
  ): AsyncGenerator<DeliveredFile> {
    let index = 0;
    for await (const { metadata, filename, success } of errorsOf(updates)) {
      yield { index: index++, metadata, filename, success, cause: null };
    }
  }

  async function body(ref: ObjectRef, offset: number, callOptions: CallOptions): Promise<ProductBody> {
    let product: Product | null = null;
    for await (const update of get([ref], callOptions)) product ??= update;
    if (product === null) throw unknown([0], 'the provider gave no product');
    const { productMetadata, productBody } = product;
    return {
      metadata: productMetadata,
      revision: null,
      size: productBody.length,
      sha256: null,
      fileName: ref.key.split('/').at(-1) ?? ref.key,
      stream: once(productBody.subarray(offset)),
    };
  }

  return {
    listProducts: (query = {}, callOptions = {}) => list(query, callOptions),
    getProducts: (refs, callOptions = {}) => get(refs, callOptions),
    async getProduct(ref, { offset = 0, revision = null, form, ...callOptions } = {}) {
      if (form !== undefined) throw unsupported('MPD gives products as they came, in no other form');
      if (revision !== null) throw unsupported('MAL tells no revision of a product');
      return body(ref, offset, callOptions);
    },
    async deliverProductFiles(productRefs, deliverTo, { form, ...callOptions } = {}) {
      if (form !== undefined) throw unsupported('MPD gives products as they came, in no other form');
      const call = retrieval.progress(deliverProductFiles, { productRefs, deliverTo }, callOptions);
      const { updates } = await translated(call);
      return { orderID: null, files: deliveredFiles(updates) };
    },
    async submitStandingOrder(orderDetails, callOptions = {}) {
      const order = { ...orderDetails, validityPeriod: onWire(orderDetails.validityPeriod) };
      return (await translated(management.request(submitStandingOrder, { orderDetails: order }, callOptions))).orderID;
    },
    async listStandingOrders({ user = null, domain = null } = {}, callOptions = {}) {
      return (await translated(management.request(listStandingOrders, { user, domain }, callOptions))).standingOrders;
    },
    cancelStandingOrder: (orderID, callOptions = {}) =>
      translated(management.submit(cancelStandingOrder, { orderID }, callOptions)),
    async watchProducts(query = {}, watchOptions = {}) {
      const updates = await translated(
        delivery.subscribe(deliverProducts, request(query), subscribeOptions(watchOptions)),
      );
      return mapped(updates, ({ keys, body: { product } }) => ({ ...who(keys), product }));
    },
    async watchDeliveries(query = {}, watchOptions = {}) {
      const subscribed = delivery.subscribe(notifyProductDelivery, request(query), subscribeOptions(watchOptions));
      return mapped(await translated(subscribed), ({ keys, body: notice }) => ({ ...who(keys), ...notice }));
    },
    async close() {
      await session.close();
      await (await lazyHttp.started())?.close();
    },
  };
}

/** MAL Time goes from 1958 to 2137, in milliseconds: an end beyond is as good as open. */
const FIRST = -378_691_200_000_000_000n;
const LAST = FIRST + 65_536n * 86_400_000_000_000n - 1_000_000n;

const onWire = (window: TimeWindow | null | undefined): TimeWindow | null =>
  window == null ? null : { start: clamped(window.start), end: clamped(window.end) };

const clamped = (ns: bigint): bigint => (ns < FIRST ? FIRST : ns > LAST ? LAST : ns);

function request({ user, orderID, domain }: WatchQuery): {
  domain: readonly string[] | null;
  filters: SubscriptionFilter[];
} {
  const filters: SubscriptionFilter[] = [];
  if (user !== undefined) filters.push({ name: 'user', values: [{ type: 'Identifier', value: user }] });
  if (orderID !== undefined) filters.push({ name: 'orderID', values: [{ type: 'Long', value: orderID }] });
  return { domain: domain ?? null, filters };
}

const subscribeOptions = ({ signal, onState }: WatchOptions): WatchOptions => ({
  ...(signal && { signal }),
  ...(onState && { onState }),
});

const who = (keys: {
  readonly user?: string | null;
  readonly orderID?: bigint | null;
}): {
  readonly user: string | null;
  readonly orderID: bigint | null;
} => ({ user: keys.user ?? null, orderID: keys.orderID ?? null });

async function* mapped<K, N, R>(updates: Updates<K, N>, map: (update: Update<K, N>) => R): AsyncGenerator<R> {
  for await (const update of errorsOf(updates)) yield map(update);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

const translate = (error: unknown): unknown => (isMalError(error) ? fromMalError(error) : error);

const translated = <T>(call: Promise<T>): Promise<T> =>
  call.catch((error: unknown) => {
    throw translate(error);
  });

async function* errorsOf<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw translate(error);
  }
}

/** A malhttp consumer listens: only from the first call on. */
const throughHttp = (encoding: ClientTransport['encoding'], get: () => Promise<MalhttpClient>): ClientTransport => ({
  scheme: 'malhttp',
  encoding,
  open: async (uri, receive) => (await get()).open(uri, receive),
});

function lazy<T>(create: () => Promise<T>): { get(): Promise<T>; started(): Promise<T | null> } {
  let value: Promise<T> | null = null;
  return {
    get() {
      value ??= create();
      return value;
    },
    started: async () => value,
  };
}
