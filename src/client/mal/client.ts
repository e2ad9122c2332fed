import type { EncodingName, MalhttpMode, ObjectRef, SubscribeOptions } from '../../mal/index.js';
import type { Product, ProductMetadata } from '../../mpd/index.js';
import type { CallOptions, MpdClient } from '../client.js';

/** What to subscribe to; absent parts are any. */
export interface WatchQuery {
  readonly user?: string;
  readonly orderID?: bigint;
  /** Domain of the product; `*` at an end as in MAL subscriptions. */
  readonly domain?: readonly string[];
}

export interface WatchOptions extends Pick<SubscribeOptions, 'onState'>, CallOptions {}

export interface DeliveredProduct {
  readonly user: string | null;
  /** null where the provider does not tell. */
  readonly orderID: bigint | null;
  readonly product: Product;
}

export interface DeliveryNotice {
  readonly user: string | null;
  readonly orderID: bigint | null;
  readonly metadata: ProductMetadata;
  readonly filename: string;
  readonly deliveredTo: string;
  readonly success: boolean;
}

/** An MPD provider over MAL: what the standard offers, and nothing else. */
export interface MalClient extends MpdClient {
  /** Several products, each as it is ready, in the order asked for. */
  getProducts(refs: readonly ObjectRef[], options?: CallOptions): AsyncIterable<Product>;
  /**
   * Products of service orders, as they are published from the moment this resolves; after a lost connection it registers again,
   * and what was published in between is missed. Ends with the signal, or with the loop over it.
   */
  watchProducts(query?: WatchQuery, options?: WatchOptions): Promise<AsyncIterable<DeliveredProduct>>;
  /** Notices of file deliveries, likewise. */
  watchDeliveries(query?: WatchQuery, options?: WatchOptions): Promise<AsyncIterable<DeliveryNotice>>;
}

export interface MalClientOptions {
  /** Must be the provider's own: maltcp does not announce it. Default binary-fixed, or `?encoding=` of the address. */
  readonly encoding?: EncodingName;
  /** How the provider has malhttp, which nothing tells. Default request-response, or `?mode=` of the address. */
  readonly httpMode?: MalhttpMode;
  /** Names of the provider's endpoints. */
  readonly endpoints?: Partial<EndpointNames>;
  /** Longest wait for an answer, and between two products. Default 60 000 ms. */
  readonly timeoutMs?: number;
  /** Sent with every message; most providers tell consumers apart by other means. */
  readonly authenticationId?: Uint8Array;
  /** Where this consumer listens when the transport is malhttp; default the address that faces the provider and a free port. */
  readonly listen?: { readonly host?: string; readonly port?: number; readonly publishedHost?: string };
}

/** As ESA's stack names them. */
export interface EndpointNames {
  readonly retrieval: string;
  readonly orders: string;
  readonly delivery: string;
  readonly broker: string;
}

export const ENDPOINT_NAMES: EndpointNames = {
  retrieval: 'ProductRetrieval',
  orders: 'OrderManagement',
  delivery: 'ProductOrderDelivery',
  broker: 'ProductOrderDeliveryInternalBroker',
};
