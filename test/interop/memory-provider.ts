import {
  type Broker,
  createBroker,
  createGrammar,
  createProvider,
  ENCODINGS,
  type Encoding,
  endpoint,
  type Handlers,
  type Listener,
  listenMalhttp,
  listenMaltcp,
  type ObjectRef,
  objectRefId,
  type Provider,
  sameDomain,
  type TransportLimits,
} from '../../src/mal/index.js';
import {
  compileFilter,
  compileQuery,
  deliveryFailed,
  domainMatches,
  invalid,
  isMpdError,
  mpdArea,
  mpdRegistry,
  OrderManagement,
  orderFailed,
  type Product,
  ProductOrderDelivery,
  ProductRetrieval,
  type StandingOrder,
  toMalError,
  tooMany,
  unknown,
} from '../../src/mpd/index.js';

/** A small MPD provider that keeps everything in memory: what the wire is tested with, free of the gateway. */
export interface MemoryProvider {
  readonly rootUri: string;
  readonly broker: Broker<string>;
  readonly provider: Provider;
  readonly listener: Listener;
  readonly orders: ReadonlyMap<bigint, StandingOrder>;
  /** Adds or replaces a product and delivers it to the matching orders. */
  put(product: Product): void;
  close(): Promise<void>;
}

export interface MemoryOptions {
  readonly transport?: 'maltcp' | 'malhttp';
  /** Of malhttp. */
  readonly mode?: 'request-response' | 'no-response';
  readonly port?: number;
  readonly encodings?: readonly Encoding[];
  readonly limit?: number;
  readonly products?: readonly Product[];
  readonly limits?: Partial<TransportLimits>;
  /** Roots that deliverTo may name. */
  readonly reachable?: (uri: string) => boolean;
}

export async function startMemoryProvider(options: MemoryOptions = {}): Promise<MemoryProvider> {
  const grammar = createGrammar(mpdRegistry);
  const products = new Map<string, Product>();
  const byType = new Map<string, Map<string, Product>>();
  const hold = (product: Product): void => {
    const { productRef, productType } = product.productMetadata;
    const id = objectRefId(productRef);
    const before = products.get(id);
    if (before !== undefined) byType.get(before.productMetadata.productType.name)!.delete(id);
    const same = byType.get(productType.name) ?? new Map<string, Product>();
    byType.set(productType.name, same.set(id, product));
    products.set(id, product);
  };
  for (const product of options.products ?? []) hold(product);
  const orders = new Map<bigint, StandingOrder>();
  const reachable = options.reachable ?? ((uri) => uri.startsWith('file:///reachable'));
  let lastOrder = 1000n;

  const find = (refs: readonly ObjectRef[]): Product[] => {
    const found = refs.map((ref) => products.get(objectRefId(ref)));
    const missing = found.flatMap((product, i) => (product === undefined ? [i] : []));
    if (missing.length > 0) throw unknown(missing, `${missing.length} unknown references`);
    return found as Product[];
  };

  const retrieval: Handlers<typeof ProductRetrieval, string> = {
    listProducts(query) {
      const passes = compileQuery(query);
      const { productType } = query.productFilter;
      const candidates = productType === null ? products : (byType.get(productType) ?? new Map<string, Product>());
      const metadatas = [...candidates.values()].map((p) => p.productMetadata).filter((metadata) => passes(metadata));
      const limit = options.limit ?? 10_000;
      if (metadatas.length > limit) throw tooMany(limit, metadatas.length);
      return { metadatas };
    },
    async getProducts({ productRefs }, { ack, update }) {
      const found = find(productRefs);
      await ack({});
      for (const product of found) await update({ product });
      return {};
    },
    async deliverProductFiles({ productRefs, deliverTo }, { ack, update }) {
      const found = find(productRefs);
      if (!reachable(deliverTo)) throw deliveryFailed(`${deliverTo} cannot be reached`);
      await ack({});
      for (const { productMetadata } of found) {
        await update({ metadata: productMetadata, filename: productMetadata.productRef.key, success: true });
      }
      return {};
    },
  };

  const management: Handlers<typeof OrderManagement, string> = {
    listStandingOrders: ({ user, domain }) => ({
      standingOrders: [...orders.values()].filter(
        (order) =>
          (user === null || user === '*' || order.user === user) &&
          (domain === null ||
            order.productFilter === null ||
            (order.productFilter.domain !== null &&
              (sameDomain(order.productFilter.domain, domain) || domainMatches(order.productFilter.domain, domain)))),
      ),
    }),
    submitStandingOrder({ orderDetails }) {
      const { validityPeriod, deliveryMethod, deliverTo, productFilter } = orderDetails;
      if (validityPeriod !== null && validityPeriod.end < validityPeriod.start) {
        throw invalid('orderDetails.validityPeriod', 'the window ends before it starts');
      }
      if ((deliveryMethod === 'FILETRANSFER') !== (deliverTo !== null)) {
        throw invalid('orderDetails.deliverTo', 'goes with FILETRANSFER, and only with it');
      }
      compileFilter(productFilter, 'orderDetails.productFilter');
      if (deliverTo !== null && !reachable(deliverTo)) throw orderFailed(`${deliverTo} is not allowed`);
      const orderID = ++lastOrder;
      orders.set(orderID, { ...orderDetails, orderID });
      return { orderID };
    },
    cancelStandingOrder({ orderID }) {
      if (!orders.delete(orderID)) throw unknown(orderID, `no order ${orderID}`);
    },
  };

  const broker = createBroker<string>({ grammar });
  const provider = createProvider<string>({
    grammar,
    endpoints: [
      endpoint('ProductRetrieval', mpdArea, ProductRetrieval, retrieval),
      endpoint('OrderManagement', mpdArea, OrderManagement, management),
      endpoint('ProductOrderDelivery', mpdArea, ProductOrderDelivery, {}, broker),
      endpoint('ProductOrderDeliveryInternalBroker', mpdArea, ProductOrderDelivery, {}, broker),
    ],
    authenticate: ({ peer }) => peer.address,
    toMalError: (error) => (isMpdError(error) ? toMalError(error) : null),
  });
  const settings = {
    host: '127.0.0.1',
    port: options.port ?? 0,
    encodings: options.encodings ?? Object.values(ENCODINGS),
    receive: provider.receive,
    reject: provider.reject,
    limits: options.limits ?? {},
  };
  const listener =
    options.transport === 'malhttp'
      ? await listenMalhttp({ ...settings, mode: options.mode ?? 'request-response' })
      : await listenMaltcp(settings);

  return {
    rootUri: listener.rootUri,
    broker,
    provider,
    listener,
    orders,
    put(product) {
      const metadata = product.productMetadata;
      hold(product);
      for (const [orderID, order] of orders) {
        if (!compileFilter(order.productFilter)(metadata)) continue;
        const info = { source: 'memory', domain: metadata.productRef.domain };
        const keys = { user: order.user, orderID };
        if (order.deliveryMethod === 'FILETRANSFER') {
          broker.publish(ProductOrderDelivery.operations.notifyProductDelivery, info, keys, {
            metadata,
            filename: metadata.productRef.key,
            deliveredTo: order.deliverTo ?? '',
            success: true,
          });
        } else {
          const productBody = order.deliveryMethod === 'SERVICE_COMPLETE' ? product.productBody : new Uint8Array(0);
          broker.publish(ProductOrderDelivery.operations.deliverProducts, info, keys, {
            product: { ...product, productBody },
          });
        }
      }
    },
    async close() {
      await provider.stop(1000);
      await listener.close();
    },
  };
}
