import type {
  AttemptInfo,
  BackfillRequest,
  Completeness,
  DeliveryInfo,
  GatewayEvent,
  GatewayHealth,
  NamedFilter,
  OrderHistoryEntry,
  OrderInfo,
  OrderRequest,
  Retention,
} from '../../gateway/api.js';
import type { ObjectRef } from '../../mal/index.js';
import type { FilterTree } from '../../mpd/filter/index.js';
import type { ProductType, TimeWindow } from '../../mpd/index.js';
import type { CallOptions, ListedProduct, MpdClient, ProductQuery } from '../client.js';

export type {
  AttemptInfo,
  BackfillRequest,
  Completeness,
  DeliveryInfo,
  GatewayEvent,
  GatewayHealth,
  NamedFilter,
  OrderHistoryEntry,
  OrderInfo,
  OrderRequest,
  Retention,
};

export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the next page; null = the end. */
  readonly next: string | null;
}

export interface PageOptions extends CallOptions {
  readonly limit?: number;
  readonly after?: string;
}

/** One level of the folder view. */
export interface Folder {
  readonly path: string;
  readonly folders: readonly string[];
  readonly products: readonly ListedProduct[];
  readonly next: string | null;
}

export interface OrderQuery {
  /** null or absent or `*` = all that may be seen. */
  readonly user?: string | null;
  readonly domain?: readonly string[] | null;
  readonly states?: readonly OrderInfo['state'][];
}

/** What stands at a system behind the gateway, in that system's words. */
export interface UpstreamRequest {
  readonly backend: string;
  readonly id: string;
  readonly state: string;
  /** The order it was made for; null = for none that runs here. */
  readonly orderId: bigint | null;
  readonly details: Readonly<Record<string, string | null>>;
}

export interface PulledProduct {
  /** What to acknowledge. */
  readonly position: bigint;
  readonly delivery: DeliveryInfo;
  readonly product: ListedProduct;
}

export interface EventOptions extends CallOptions {
  /** Resume after this cursor; absent or null = from now on. */
  readonly cursor?: string | null;
  readonly orderID?: bigint;
  readonly user?: string;
  readonly types?: readonly GatewayEvent['type'][];
}

/** `gap`: events between the cursor and now are no longer kept; look at lists and ledger, then go on from here. */
export type EventItem =
  | { readonly kind: 'event'; readonly event: GatewayEvent }
  | { readonly kind: 'gap'; readonly message: string };

/** Where the gateway can be reached, one entry a binding. */
export interface ServiceInfo {
  readonly binding: string;
  readonly uri: string;
  readonly services: readonly string[];
  readonly details: Readonly<Record<string, string>>;
}

export interface ServerInfo {
  readonly name: string;
  readonly version: string;
  readonly services: readonly ServiceInfo[];
}

/** Everything the gateway offers over HTTP: the standard and what this gateway has beside it. */
export interface HttpClient extends MpdClient {
  /** Base URL, ends with `/api/v1`. */
  readonly url: string;
  types(options?: CallOptions): Promise<readonly ProductType[]>;
  listPage(query: ProductQuery, options?: PageOptions): Promise<Page<ListedProduct>>;
  getMetadata(ref: ObjectRef, options?: CallOptions): Promise<ListedProduct>;
  folders(path: string, options?: PageOptions): Promise<Folder>;

  /** As {@link MpdClient.submitStandingOrder} with everything beside the standard. */
  submitOrder(
    request: OrderRequest,
    options?: CallOptions,
  ): Promise<{ readonly orderID: bigint; readonly warning: string | null }>;
  /** All pages. */
  listOrders(query?: OrderQuery, options?: CallOptions & { readonly pageSize?: number }): AsyncIterable<OrderInfo>;
  getOrder(
    orderID: bigint,
    options?: CallOptions,
  ): Promise<OrderInfo & { readonly history: readonly OrderHistoryEntry[] }>;
  /** Requests and orders at the systems behind the gateway, also those made elsewhere. Operators only. */
  listUpstream(options?: CallOptions): Promise<readonly UpstreamRequest[]>;
  pauseOrder(orderID: bigint, policy?: 'hold' | 'skip' | null, options?: CallOptions): Promise<OrderInfo>;
  resumeOrder(orderID: bigint, options?: CallOptions): Promise<OrderInfo>;
  replayOrder(orderID: bigint, window: BackfillRequest, options?: CallOptions): Promise<{ readonly job: bigint }>;
  backfillOrder(orderID: bigint, window: BackfillRequest, options?: CallOptions): Promise<{ readonly job: bigint }>;

  /** All pages. */
  listDeliveries(
    orderID: bigint,
    query?: { readonly states?: readonly string[] },
    options?: CallOptions & { readonly pageSize?: number },
  ): AsyncIterable<DeliveryInfo>;
  getDelivery(id: bigint, options?: CallOptions): Promise<DeliveryInfo & { readonly log: readonly AttemptInfo[] }>;
  missing(
    orderID: bigint,
    window?: { readonly created?: TimeWindow | null; readonly limit?: number },
    options?: CallOptions,
  ): Promise<Completeness>;
  /** How many went back into the queue. */
  redrive(orderID: bigint, ids: readonly bigint[] | 'dead', options?: CallOptions): Promise<number>;
  /** `waitMs`: how long to wait at the gateway when there is nothing yet. */
  pull(
    orderID: bigint,
    query?: { readonly after?: bigint | null; readonly limit?: number; readonly waitMs?: number },
    options?: CallOptions,
  ): Promise<readonly PulledProduct[]>;
  acknowledge(orderID: bigint, position: bigint, options?: CallOptions): Promise<void>;

  listFilters(options?: CallOptions): Promise<readonly NamedFilter[]>;
  getFilter(name: string, options?: CallOptions): Promise<NamedFilter>;
  putFilter(
    filter: {
      readonly name: string;
      readonly filter: FilterTree;
      readonly description: string | null;
      readonly shared: boolean;
    },
    options?: CallOptions,
  ): Promise<NamedFilter>;
  removeFilter(name: string, options?: CallOptions): Promise<void>;

  /** As they happen; reconnects by itself and misses nothing, or says `gap`. Ends with the signal. */
  events(options?: EventOptions): AsyncIterable<EventItem>;
  services(options?: CallOptions): Promise<ServerInfo>;
  health(options?: CallOptions): Promise<GatewayHealth>;
}

export interface HttpClientOptions {
  /** API key; sent to the gateway's own origin only. */
  readonly key?: string;
  /** Time without any byte from the server before a call fails or a stream reconnects; default 60 000 ms. */
  readonly idleTimeoutMs?: number;
  /** How often a lost connection is tried again where that is safe (reads, bodies, events); default 5, without end for events. */
  readonly retries?: number;
  /** PEM of further certification authorities. */
  readonly ca?: string;
}
