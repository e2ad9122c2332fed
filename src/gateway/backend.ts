import type { ObjectRef } from '../mal/index.js';
import type { FilterTree, TypeGroup } from '../mpd/filter/index.js';
import type { ProductMetadata, ProductType, TimeWindow } from '../mpd/index.js';
import type { OrderPlaces, Placement } from './placement.js';

/** For modules from outside the tree, which have no other way to them. */
export { compareUtf8, formatTime, parseTime } from '../mal/index.js';
export { invalid, MpdError, unknown } from '../mpd/index.js';

/** One product as a backend holds it now. */
export interface Entry {
  readonly metadata: ProductMetadata;
  /** Opaque fingerprint of the content: equal means "the same bytes". */
  readonly revision: string;
  /** The backend's update time, ns since 1970 UTC. */
  readonly updatedAt: bigint;
  /** Full name in the backend's folder view, `/`-separated, without a leading slash (`spice/ck/a.bc`); null when it has none. */
  readonly path: string | null;
  /** Name for a delivered file, by the mapping; null = the key made safe. */
  readonly fileName: string | null;
  /** Where there is no file metadata to say it. */
  readonly mediaType?: string;
  /** What the source itself says of its bytes (a label's md5, a type field), to be checked while reading. */
  readonly claim: Checksum | null;
  /**
   * Orders of this gateway for which the product was made on demand: no other order gets it, and these get it whenever it
   * comes. `[]`: it is made for whoever asks by name, and no order gets it. Absent = for whoever it matches.
   */
  readonly madeFor?: readonly bigint[] | null;
  /**
   * Of a product that is for whoever it matches: the orders among those that read the past (`UpstreamOrder.readsPast`) which
   * had come up to the present when it was made. The others of that kind get what it holds with their past.
   */
  readonly joinedBy?: readonly bigint[] | null;
}

export interface Checksum {
  readonly algorithm: 'md5' | 'sha-256' | 'crc32c' | 'sha-1' | 'sha-512';
  readonly value: Uint8Array;
}

export interface BackendCapabilities {
  /** `durable`: a cursor finds everything since; `live`: only while connected; `none`: only the sweep finds changes. */
  readonly feed: 'none' | 'live' | 'durable';
  /** Bodies can start at an offset. */
  readonly ranges: boolean;
  /** Products are made on demand for orders (`upstream` is present). */
  readonly upstream: boolean;
  /** Algorithm of `ProductMetadata.checksum`, an out-of-band agreement in MPD; null = the field is not used. */
  readonly checksum: Checksum['algorithm'] | null;
  /** Has folders: `Entry.path` is set. */
  readonly folders: boolean;
}

/** What to list. A backend pushes down what it can and may return a superset, never less: the core refines. */
export interface BackendQuery {
  /** null = everything. Named filters are already resolved. */
  readonly filter: FilterTree | null;
  readonly created: TimeWindow | null;
  /** Matches by overlap. */
  readonly content: TimeWindow | null;
  /** Inclusive window over `updatedAt`. */
  readonly updated: TimeWindow | null;
}

export interface ListOptions {
  /** Ascending by this time, then by key (UTF-8 bytes), then by version. */
  readonly order: 'created' | 'updated';
  /** A position from an earlier listing with the same order: resumes exactly after it. */
  readonly after?: string;
  /** A hint how many will be read; the iterator may yield more or fewer. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface Listed {
  readonly entry: Entry;
  /** Opaque to the core; survives restarts of the gateway and of the backend. */
  readonly position: string;
}

/** A form in which consumers may take a product instead of as it came. */
export interface Form {
  /** By which orders name it: `csv`. */
  readonly name: string;
  readonly mediaType: string;
  /** Ending of its files, `.csv`; in place of `replaces` where the name ends so. */
  readonly suffix: string;
  readonly replaces?: string;
  /** One sentence for consumers. */
  readonly description: string;
  readonly productTypes: readonly string[];
}

export interface OpenOptions {
  /** The content wanted. Another content now at this reference is an error of code Unknown, class `refuse`, never other bytes. null = whatever is current. */
  readonly revision: string | null;
  /** First byte wanted; > 0 only where `capabilities.ranges`. */
  readonly offset: number;
  /** Name of the form wanted, one of `Backend.forms` for the product's type; with offset 0. Absent = as it came. */
  readonly form?: string;
  readonly signal: AbortSignal;
  /** Called while a product is being made or staged. */
  readonly progress?: (text: string) => void;
  /** Every chunk of the stream will be handed back by `Body.release`, or lives no longer than the body. */
  readonly releases?: boolean;
  /** As `get` of this backend just gave it for this reference: what it knows of it need not be looked up again. */
  readonly entry?: Entry;
}

export interface Body {
  readonly revision: string;
  /** Of the whole product, not of what follows `offset`; null = unknown until the end. */
  readonly size: number | null;
  readonly claim: Checksum | null;
  /** Bytes from the offset. Ends early or late, or changed content while reading: the iteration throws. Always consumed or `return()`ed. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Only with `OpenOptions.releases`: nobody looks at this chunk any more, its memory may be read into again. Not calling it is harmless. */
  readonly release?: (chunk: Uint8Array) => void;
  /** After the end: what was found wrong with the product while it was read, with the place, though all that is good of it was given; null = nothing. */
  readonly fault?: () => string | null;
}

export type ChangeKind = 'new' | 'updated' | 'touched' | 'removed' | 'republished';

export type Change =
  | { readonly kind: Exclude<ChangeKind, 'removed'>; readonly entry: Entry }
  | { readonly kind: 'removed'; readonly ref: ObjectRef };

export interface FollowRequest {
  /**
   * null = first contact: resolves when the present state can be listed, with no changes and a cursor such that
   * whatever comes later is found after it. Otherwise resolves with what came after the cursor, or with nothing
   * after some seconds of quiet (long poll).
   */
  readonly cursor: string | null;
  /** Union of the active orders' filters; null = everything. A hint for systems that can narrow their feed. */
  readonly interest: FilterTree | null;
}

export interface FollowResult {
  readonly changes: readonly Change[];
  readonly cursor: string;
}

/** Systems that only produce what an order asked for. */
export interface Upstream {
  /** An order whose validity lies in the past, wholly or partly, has data of that time made for it. */
  readonly readsPast?: boolean;
  /** Refuses what can never be ordered, before the order is accepted. @throws MpdError Invalid naming the field, Order Failed */
  check?(order: Pick<UpstreamOrder, 'user' | 'filter' | 'validity' | 'readsPast'>): Promise<void>;
  /** Makes sure the remote side works for this order; idempotent, called again after every restart. Returns the remote id. */
  ensure(order: UpstreamOrder): Promise<string>;
  cancel(id: string): Promise<void>;
  status(id: string): Promise<UpstreamStatus>;
  /** Everything there, also what was not made by this gateway. */
  list(): Promise<readonly UpstreamStatus[]>;
}

export interface UpstreamOrder {
  readonly orderId: bigint;
  readonly user: string;
  readonly filter: FilterTree | null;
  readonly validity: TimeWindow | null;
  readonly remoteId: string | null;
  /** The validity had begun when the order was submitted: what it covers of the past is wanted too. */
  readonly readsPast?: boolean;
}

export interface UpstreamStatus {
  readonly id: string;
  readonly state: string;
  /** Ours when it was made for an order of this gateway. */
  readonly orderId: bigint | null;
  /** The system's own fields, for operators (`Error`, `Reason`, `SubmissionTime` …). */
  readonly details: Readonly<Record<string, string | null>>;
  /** Of an order that reads the past: nothing more will be made for it. An order does not end before. */
  readonly done?: boolean;
  /** Each request that was made for the order, where there are several. */
  readonly jobs?: readonly UpstreamJob[];
}

/** One request at the system. */
export interface UpstreamJob {
  /** Its id there, or what is known before it has one. */
  readonly id: string;
  /** What it is for, in a word or two. */
  readonly purpose: string;
  readonly state: string;
  readonly details: Readonly<Record<string, string | null>>;
}

export interface Health {
  readonly ok: boolean;
  /** One sentence for an operator: what is wrong and what to do, or what was checked. */
  readonly reason: string;
}

/**
 * A product system behind the gateway. Every failure is an `MpdError` whose class drives policy.
 * Conformance: `test/conformance/backend/`.
 */
export interface Backend {
  readonly id: string;
  /** Disjoint domain prefixes; `[]` owns all that nobody else owns. A reference is routed by its domain. */
  readonly domains: readonly (readonly string[])[];
  readonly capabilities: BackendCapabilities;
  productTypes(): Promise<readonly ProductType[]>;
  /** Names that stand for several of its types in filters; listed with the types. */
  readonly typeGroups?: readonly TypeGroup[];
  /** Forms that `open` gives beside the product as it came. */
  readonly forms?: readonly Form[];
  list(query: BackendQuery, options: ListOptions): AsyncIterable<Listed>;
  /** Index by index; an old version is unknown. */
  get(refs: readonly ObjectRef[], signal?: AbortSignal): Promise<readonly (Entry | 'unknown')[]>;
  open(ref: ObjectRef, options: OpenOptions): Promise<Body>;
  follow(request: FollowRequest, options: { readonly signal: AbortSignal }): Promise<FollowResult>;
  readonly upstream?: Upstream;
  /** Who brings this product to that order's target; absent: always the gateway. */
  placement?(ref: ObjectRef, orderId: bigint, signal: AbortSignal): Promise<Placement>;
  check(): Promise<Health>;
  close(): Promise<void>;
}

/** What a backend is given by the composition root; nothing is read from globals. */
export interface BackendDependencies {
  /** Database of the gateway, for adapters that keep an index; its tables are prefixed by the adapter's kind. */
  readonly store: import('../store/index.js').Store;
  readonly log: import('pino').Logger;
  readonly guard: import('../net/guard.js').Guard;
  readonly clock: () => bigint;
  /** Where orders want their files, for systems that can write there by themselves; absent: nobody tells. */
  readonly places?: OrderPlaces;
}

/** `config` is the entry of `backends:` in gateway.yaml, already with its secrets resolved; throws MpdError Invalid naming the field. */
export type BackendFactory = (
  config: Readonly<Record<string, unknown>> & { readonly id: string; readonly domain: readonly string[] },
  dependencies: BackendDependencies,
) => Promise<Backend>;

/** What a folder of `adapters/`, or a module from outside the tree, exports. */
export interface BackendModule {
  readonly createBackend: BackendFactory;
  /** Additive migrations of tables the adapter keeps; names start with the kind. */
  readonly migrations?: Readonly<Record<string, import('kysely').Migration>>;
}
