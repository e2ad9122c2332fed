import type { ObjectRef } from '../mal/index.js';
import type { FilterTree } from '../mpd/filter/index.js';
import type { ProductFilter, ProductMetadata, ProductType, StandingOrder, TimeWindow } from '../mpd/index.js';
import type { Body, Entry, Form, Health, UpstreamStatus } from './backend.js';
import type { EventType, FileState, OrderMethod, OrderState, ServiceState } from './schema.js';

/** Who asks. Every call of the core takes one; its policy is ANDed to whatever is asked. */
export interface Principal {
  readonly id: string;
  readonly role: 'consumer' | 'operator' | 'admin';
  /** null = everything. */
  readonly policy: FilterTree | null;
  /** The network vouches for it (`access.mal: user: asserted`): it may name any user as an order's owner. */
  readonly assertsUser?: boolean;
}

/** The one core behind every binding. All failures are `MpdError`. */
export interface Gateway {
  readonly catalogue: Catalogue;
  readonly filters: NamedFilters;
  readonly orders: Orders;
  readonly deliveries: Deliveries;
  readonly events: Events;
  readonly access: Access;
  /** Health of the database, each backend and each target, each with its reason. */
  health(): Promise<GatewayHealth>;
}

export interface GatewayHealth {
  readonly ready: boolean;
  readonly parts: readonly (Health & {
    readonly kind: 'store' | 'backend' | 'target';
    readonly id: string;
    readonly importing?: boolean;
  })[];
}

export interface ProductQuery {
  /** null = everything the principal may see. Named filters allowed. */
  readonly filter: FilterTree | null;
  readonly created: TimeWindow | null;
  readonly content: TimeWindow | null;
}

export interface ListPage {
  readonly entries: readonly Entry[];
  /** null = the end was reached. */
  readonly next: string | null;
}

export interface Catalogue {
  types(principal: Principal): Promise<readonly ProductType[]>;
  /** One page in creation order. `limit` is capped by `limits.page`. */
  list(
    query: ProductQuery,
    page: { readonly after?: string; readonly limit: number; readonly signal: AbortSignal },
    principal: Principal,
  ): Promise<ListPage>;
  /** All of them, streamed with bounded memory; each with the cursor that resumes after it. */
  listAll(
    query: ProductQuery,
    options: { readonly after?: string; readonly signal: AbortSignal },
    principal: Principal,
  ): AsyncIterable<{ entry: Entry; cursor: string }>;
  /** At most `limit` entries or Too Many naming the limit: what MAL's listProducts answers. */
  listBounded(query: ProductQuery, limit: number, signal: AbortSignal, principal: Principal): Promise<readonly Entry[]>;
  /** All entries, or Unknown with the indexes that are not there (or not visible). */
  get(refs: readonly ObjectRef[], principal: Principal, signal?: AbortSignal): Promise<readonly Entry[]>;
  open(
    ref: ObjectRef,
    options: {
      readonly revision: string | null;
      readonly offset: number;
      /** One of `forms`; Invalid when it is none. */
      readonly form?: string;
      readonly signal: AbortSignal;
      readonly progress?: (text: string) => void;
      /** As `get` just gave it for this reference: it is not looked up again. */
      readonly entry?: Entry;
    },
    principal: Principal,
  ): Promise<{ entry: Entry; body: Body }>;
  /** The body of a product that an event tells of, of that revision; the backend is not asked for the product first. */
  body(told: Told, options: { readonly signal: AbortSignal }, principal: Principal): Promise<Body>;
  /** Forms in which a product may be had beside as it came. */
  forms(entry: Entry): readonly Form[];
  /** One level of the folder view: sub-folders and the products in this folder, by prefix. */
  folders(
    path: string,
    page: { readonly after?: string; readonly limit: number; readonly signal: AbortSignal },
    principal: Principal,
  ): Promise<FolderPage>;
}

export interface FolderPage {
  readonly path: string;
  readonly folders: readonly string[];
  readonly entries: readonly Entry[];
  readonly next: string | null;
}

export interface NamedFilter {
  readonly owner: string;
  readonly name: string;
  readonly filter: FilterTree;
  readonly description: string | null;
  readonly shared: boolean;
}

/** Named as `name` (own) or `owner/name`. */
export interface NamedFilters {
  list(principal: Principal): Promise<readonly NamedFilter[]>;
  get(name: string, principal: Principal): Promise<NamedFilter>;
  put(filter: Omit<NamedFilter, 'owner'>, principal: Principal): Promise<NamedFilter>;
  remove(name: string, principal: Principal): Promise<void>;
}

/** StandingOrder of the standard plus what this gateway offers beside it. */
export interface OrderRequest {
  /** Owner; null = the principal itself. Another owner needs role operator. */
  readonly user: string | null;
  readonly productFilter: ProductFilter | null;
  /** Extension: Boolean, multi-type or named; ANDed with productFilter when both are given. */
  readonly tree?: FilterTree | null;
  readonly validityPeriod: TimeWindow | null;
  readonly deliveryMethod: OrderMethod;
  readonly deliverTo: string | null;
  readonly comments: string | null;
  readonly pausePolicy?: 'hold' | 'skip';
  readonly onBadSource?: 'deliver-flagged' | 'hold';
  readonly overwrite?: boolean;
  readonly pathTemplate?: string | null;
  /** Extension: the form in which files are delivered; null = as they came. What has no such form comes as it came. */
  readonly form?: string | null;
  readonly deadlineSeconds?: number;
  readonly backfill?: BackfillRequest;
  readonly retain?: Retention | null;
  /** HTTP and CLI refuse a target that is `notYet`, unless this is set; MAL sets it. */
  readonly acceptUnreachable?: boolean;
}

/** Notifications that are kept for subscribers that come later: as many, and as old, as this; null = no such bound. */
export interface Retention {
  /** 1 … 1000. */
  readonly last: number | null;
  readonly seconds: number | null;
}

export interface BackfillRequest {
  readonly axis: 'available' | 'created' | 'content';
  readonly from: bigint | null;
  readonly to: bigint | null;
}

export interface OrderInfo {
  readonly order: StandingOrder;
  readonly kind: 'standing' | 'once';
  readonly state: OrderState;
  readonly tree: FilterTree | null;
  readonly pausePolicy: 'hold' | 'skip';
  readonly onBadSource: 'deliver-flagged' | 'hold';
  readonly overwrite: boolean;
  readonly pathTemplate: string | null;
  readonly form: string | null;
  readonly deadlineSeconds: number;
  /** null = none are kept. */
  readonly retain: Retention | null;
  readonly warning: string | null;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
  /** Deliveries by state. */
  readonly counts: Readonly<Record<string, number>>;
  /** By backend: the remote request made for this order, where the backend works on demand. */
  readonly upstream: Readonly<Record<string, Pick<UpstreamStatus, 'id' | 'state' | 'details' | 'jobs'>>> | null;
}

export interface OrderHistoryEntry {
  readonly at: bigint;
  readonly actor: string;
  readonly action: string;
  readonly detail: string | null;
}

export interface Orders {
  submit(
    request: OrderRequest,
    principal: Principal,
  ): Promise<{ readonly orderID: bigint; readonly warning: string | null }>;
  /** `user` null or `*` = all the principal may see; domain null = any, else the request is the pattern (`mal-wire.md` F.5). */
  list(
    query: {
      readonly user: string | null;
      readonly domain: readonly string[] | null;
      readonly states?: readonly OrderState[];
      readonly after?: bigint;
      readonly limit?: number;
    },
    principal: Principal,
  ): Promise<readonly OrderInfo[]>;
  get(orderID: bigint, principal: Principal): Promise<OrderInfo & { readonly history: readonly OrderHistoryEntry[] }>;
  cancel(orderID: bigint, principal: Principal): Promise<void>;
  pause(orderID: bigint, policy: 'hold' | 'skip' | null, principal: Principal): Promise<OrderInfo>;
  resume(orderID: bigint, principal: Principal): Promise<OrderInfo>;
  /** Sends again what was delivered in the window (round + 1). */
  replay(orderID: bigint, window: BackfillRequest, principal: Principal): Promise<{ readonly job: bigint }>;
  /** Delivers what matches in the window and was never matched. */
  backfill(orderID: bigint, window: BackfillRequest, principal: Principal): Promise<{ readonly job: bigint }>;
  /** Remote jobs and orders of backends that work on demand; ours and foreign. Operators only. */
  upstream(principal: Principal): Promise<readonly (UpstreamStatus & { readonly backend: string })[]>;
  /** Those of them without an order here, as listStandingOrders shows them: known for up to a minute. Empty for others than operators. */
  foreign(
    query: { readonly user: string | null; readonly domain: readonly string[] | null },
    principal: Principal,
  ): readonly StandingOrder[];
}

export interface DeliveryInfo {
  readonly id: bigint;
  readonly orderID: bigint;
  readonly ref: ObjectRef;
  readonly revision: string;
  readonly round: number;
  readonly state: FileState | ServiceState;
  readonly cause: string | null;
  readonly errorClass: string | null;
  readonly filename: string | null;
  readonly location: string | null;
  readonly bytes: bigint | null;
  /** SHA-256 in hex. */
  readonly checksum: string | null;
  readonly sourceCheck: 'ok' | 'mismatch' | 'none' | null;
  /** `complete`: the backend's system sent it; what lies there was read and is whole, with nothing to compare it with. */
  readonly targetCheck: 'verified' | 'size' | 'complete' | null;
  readonly attempts: number;
  /** Service orders: how many subscribers it was sent to. */
  readonly published: number;
  readonly nextAttemptAt: bigint | null;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

export interface AttemptInfo {
  readonly round: number;
  readonly startedAt: bigint;
  readonly endedAt: bigint | null;
  readonly bytes: bigint | null;
  readonly checksum: string | null;
  readonly remotePath: string | null;
  readonly errorClass: string | null;
  readonly error: string | null;
}

/** What deliverProductFiles reports for each product, in request order. */
export interface FileDelivered {
  readonly index: number;
  readonly metadata: ProductMetadata;
  readonly filename: string;
  readonly success: boolean;
  readonly delivery: DeliveryInfo;
}

export interface PulledProduct {
  readonly position: bigint;
  readonly delivery: DeliveryInfo;
  readonly entry: Entry;
}

/** One product of a service order, sent to subscribers. */
export interface Publication {
  readonly deliveryId: bigint;
  readonly round: number;
  readonly subscribers: number;
  /** Why it went without its body; null when it was whole. */
  readonly tooLarge: string | null;
}

export interface Completeness {
  readonly orderID: bigint;
  readonly held: number;
  readonly delivered: number;
  readonly underway: number;
  /** What the backend holds now, matches the order and is neither delivered nor under way. `more` = the list was cut at the limit. */
  readonly missing: readonly {
    readonly ref: ObjectRef;
    readonly revision: string;
    readonly state: string;
    readonly cause: string | null;
  }[];
  readonly more: boolean;
}

export interface Deliveries {
  list(
    orderID: bigint,
    query: { readonly states?: readonly string[]; readonly after?: bigint; readonly limit: number },
    principal: Principal,
  ): Promise<readonly DeliveryInfo[]>;
  get(id: bigint, principal: Principal): Promise<DeliveryInfo & { readonly log: readonly AttemptInfo[] }>;
  /** The completeness proof: what the backend holds minus the ledger, over the creation window. */
  missing(
    orderID: bigint,
    window: { readonly created: TimeWindow | null; readonly limit: number; readonly signal: AbortSignal },
    principal: Principal,
  ): Promise<Completeness>;
  /** Dead, withdrawn or held rows back into the queue, with a new deadline. Returns how many. */
  redrive(orderID: bigint, ids: readonly bigint[] | 'dead', principal: Principal): Promise<number>;
  /** An order of kind `once`. Unknown or Delivery Failed before the first answer; then one item a file, in request order. The order goes on when the caller leaves. */
  deliverFiles(
    refs: readonly ObjectRef[],
    deliverTo: string,
    principal: Principal,
    signal: AbortSignal,
    /** Form of all these products; null or absent = as they came. */
    form?: string | null,
  ): Promise<{ readonly orderID: bigint; readonly files: AsyncIterable<FileDelivered> }>;
  /** Service orders: what is available after `after` (default: what was acknowledged), in order. */
  pull(
    orderID: bigint,
    query: {
      readonly after: bigint | null;
      readonly limit: number;
      readonly waitMs?: number;
      readonly signal: AbortSignal;
    },
    principal: Principal,
  ): Promise<readonly PulledProduct[]>;
  acknowledge(orderID: bigint, position: bigint, principal: Principal): Promise<void>;
  /** A binding records what it has sent to subscribers of service orders; one entry a delivery. It is stored when this resolves. */
  published(publications: readonly Publication[]): Promise<void>;
}

export interface GatewayEvent {
  readonly cursor: string;
  readonly at: bigint;
  readonly type: EventType;
  readonly orderID: bigint | null;
  readonly owner: string | null;
  readonly deliveryId: bigint | null;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Present for `product`, `delivered`, `failed`, `available`. */
  readonly metadata: ProductMetadata | null;
  /** That product; for use inside the gateway. */
  readonly entry?: Told | null;
}

/** A product as an event tells of it, maybe long after. */
export type Told = Pick<Entry, 'metadata' | 'revision' | 'path'>;

export interface EventQuery {
  /** null = from now on. */
  readonly cursor: string | null;
  readonly orderID?: bigint;
  readonly user?: string;
  readonly types?: readonly EventType[];
}

export interface EventPage {
  readonly events: readonly GatewayEvent[];
  /** Behind everything that was looked at, whether or not it was asked for: it ages only while nobody reads. */
  readonly cursor: string;
}

export interface Events {
  /** In commit order. Throws Unknown with `extraInformation: 'gap'` when the cursor is older than retention. */
  read(query: EventQuery, limit: number, principal: Principal): Promise<EventPage>;
  /** Reads on as events come, until the signal. */
  tail(query: EventQuery, signal: AbortSignal, principal: Principal): AsyncIterable<GatewayEvent>;
  /** The same in pages as they are read, also empty ones, which tell how far; the next one is read while one is looked at. */
  pages(query: EventQuery, signal: AbortSignal, principal: Principal): AsyncIterable<EventPage>;
  /** What orders keep for subscribers that come later (`retain`), oldest first, up to a cursor; at most 10 000, the newest. */
  kept(
    query: {
      readonly types: readonly EventType[];
      readonly upTo: string;
      readonly wanted: (order: { readonly orderID: bigint; readonly user: string }) => boolean;
    },
    principal: Principal,
  ): Promise<readonly GatewayEvent[]>;
}

export interface ApiKeyInfo {
  readonly id: string;
  readonly principal: string;
  readonly label: string | null;
  readonly createdAt: bigint;
  readonly usedAt: bigint | null;
  readonly expiresAt: bigint | null;
  readonly revokedAt: bigint | null;
}

export interface Access {
  /** The principal of an API key, or Authentication Failed. */
  authenticate(key: string): Promise<Principal>;
  /** By id, e.g. from `access.mal`; Authorisation Fail when unknown or disabled. */
  principal(id: string): Promise<Principal>;
  createKey(
    principal: string,
    options: { readonly label?: string; readonly expiresAt?: bigint },
  ): Promise<{ readonly id: string; readonly key: string }>;
  listKeys(principal?: string): Promise<readonly ApiKeyInfo[]>;
  revokeKey(id: string): Promise<void>;
  /** A disabled owner's orders are suspended, and resumed when enabled again. */
  setDisabled(principal: string, disabled: boolean): Promise<void>;
  /** Principals of gateway.yaml into the store; those gone from it are disabled. */
  syncConfigured(principals: readonly (Principal & { readonly disabled?: boolean })[]): Promise<void>;
  /** Whether this principal may see this product now. */
  allows(principal: Principal, entry: Pick<Entry, 'metadata' | 'path'>): boolean;
}
