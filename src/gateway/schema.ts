import type { ColumnType, Generated, JSONColumnType } from 'kysely';

/** Tables of the core. Times named `…_ns` are ns since 1970 UTC; `timestamptz` columns use the database's clock. */
export interface CoreTables {
  principal: PrincipalTable;
  api_key: ApiKeyTable;
  named_filter: NamedFilterTable;
  backend_state: BackendStateTable;
  journal: JournalTable;
  standing_order: StandingOrderTable;
  order_history: OrderHistoryTable;
  backfill: BackfillTable;
  delivery: DeliveryTable;
  attempt: AttemptTable;
  target_path: TargetPathTable;
  event: EventTable;
  event_floor: EventFloorTable;
  setting: SettingTable;
}

type Json<T> = JSONColumnType<T & object, string, string>;
type NullableJson = ColumnType<unknown, string | null, string | null>;
type Stamp = ColumnType<Date, Date | undefined, Date>;
type NullableStamp = ColumnType<Date | null, Date | null | undefined, Date | null>;

export interface PrincipalTable {
  id: string;
  role: 'consumer' | 'operator' | 'admin';
  /** FilterTree by the JSON codec; null = everything. */
  policy: NullableJson;
  disabled: boolean;
  /** `config` rows follow gateway.yaml at each start; `store` rows were made by the CLI. */
  origin: 'config' | 'store';
}

export interface ApiKeyTable {
  id: string;
  principal: string;
  /** SHA-256 of the secret part: secrets are 256 random bits, so no slow hash is needed. */
  hash: Uint8Array;
  label: string | null;
  created_at: Stamp;
  used_at: NullableStamp;
  expires_at: NullableStamp;
  revoked_at: NullableStamp;
}

export interface NamedFilterTable {
  owner: string;
  name: string;
  filter: Json<unknown>;
  description: string | null;
  /** Visible to every principal (each still under its own policy). */
  shared: boolean;
  updated_at: Stamp;
}

export interface BackendStateTable {
  backend: string;
  cursor: string | null;
  /** When the first import was complete; before that everything found is `initial`. */
  imported_at: NullableStamp;
  /** Up to which update time the sweep has seen everything. */
  swept_ns: bigint | null;
  /** First contact: what the import finds with a later update time is not history. */
  contact_ns: bigint | null;
  /** Whether it answered last time. */
  up: boolean | null;
  /** Highest `ready_ns` given out, so that it never goes back. */
  ready_ns: bigint;
  /** Raised by each new holder of the follower lease; writes of an older one have no effect. */
  epoch: bigint;
}

export type JournalKind = 'initial' | 'new' | 'updated' | 'republished' | 'removed';

/** One row per (backend, domain, key, revision): the metadata as seen. */
export interface JournalTable {
  id: Generated<bigint>;
  backend: string;
  /** Domain parts as a JSON array in text, so that equality and prefix use one index. */
  domain: string;
  key: string;
  version: bigint;
  revision: string;
  kind: JournalKind;
  /** Raised when the same content is published again on purpose, or becomes current again. */
  round: Generated<number>;
  /** The revision the backend holds now; at most one row per (backend, domain, key). */
  current: boolean;
  product_type: string;
  metadata: Json<unknown>;
  path: string | null;
  file_name: string | null;
  claim_algorithm: string | null;
  claim_value: Uint8Array | null;
  /** `Entry.madeFor` and `Entry.joinedBy`: order ids as text. */
  made_for: NullableJson;
  joined_by: NullableJson;
  created_ns: bigint;
  content_start_ns: bigint;
  content_end_ns: bigint;
  updated_ns: bigint;
  seen_at: Stamp;
  /** When its bytes could first be fetched here; never going back. */
  ready_ns: bigint;
  removed_at: NullableStamp;
}

export type OrderState = 'active' | 'paused' | 'suspended' | 'expired' | 'cancelled' | 'done';
export type OrderMethod = 'SERVICE_COMPLETE' | 'SERVICE_JUST_METADATA' | 'FILETRANSFER';

export interface StandingOrderTable {
  id: Generated<bigint>;
  /** `once`: made by deliverProductFiles; same ledger, not in listStandingOrders. */
  kind: 'standing' | 'once';
  owner: string;
  state: OrderState;
  method: OrderMethod;
  /** Without any password; see `secret`. */
  deliver_to: string | null;
  /** Sealed credentials of deliverTo, when inline credentials are allowed. */
  secret: Uint8Array | null;
  /** The standard's ProductFilter as submitted, by the JSON codec; null when only `tree` was given. */
  filter: NullableJson;
  /** What is matched: the filter as a FilterTree, named filters resolved and copied at submit; null = everything. */
  tree: NullableJson;
  /** First domain of the filter as JSON text, for listStandingOrders; null = any. */
  domain: string | null;
  valid_start_ns: bigint | null;
  valid_end_ns: bigint | null;
  comments: string | null;
  /** What happens to products that arrive while paused. */
  pause_policy: 'hold' | 'skip';
  /** When the content disagrees with what the source claims of it. */
  on_bad_source: 'deliver-flagged' | 'hold';
  overwrite: boolean;
  /** Sub-folder template, e.g. `{productType}/{created:yyyy}`; null = none. */
  /** Form of the delivered files; null = as they came. */
  form: Generated<string | null>;
  path_template: string | null;
  /** How long a delivery without progress is tried. */
  deadline_s: number;
  /** Service orders: highest acknowledged position of the pull cursor. */
  acked: bigint | null;
  upstream: NullableJson;
  /** Notifications kept for subscribers that come later: how many, and how old; both null = none. */
  retain_last: number | null;
  retain_s: number | null;
  warning: string | null;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface OrderHistoryTable {
  id: Generated<bigint>;
  order_id: bigint;
  at: Stamp;
  actor: string;
  action: string;
  detail: string | null;
}

export interface BackfillTable {
  id: Generated<bigint>;
  order_id: bigint;
  axis: 'available' | 'created' | 'content';
  from_ns: bigint | null;
  to_ns: bigint | null;
  /** Already delivered rows are sent again (replay) or left alone (backfill). */
  again: boolean;
  /** Last journal id looked at; the window is walked in journal order. */
  after_id: bigint;
  matched: bigint;
  state: 'running' | 'done';
  created_at: Stamp;
}

export type FileState =
  | 'matched'
  | 'queued'
  | 'sending'
  | 'landed'
  | 'verified'
  | 'notified'
  | 'dead'
  | 'superseded'
  | 'withdrawn';
/** `published`: sent to subscribers, whole. `tooLarge`: sent, without the body that no message can hold. */
export type ServiceState = 'available' | 'published' | 'tooLarge' | 'acknowledged' | 'withdrawn' | 'dead';

/** One row per (order, domain, key, revision). */
export interface DeliveryTable {
  id: Generated<bigint>;
  order_id: bigint;
  journal_id: bigint;
  domain: string;
  key: string;
  revision: string;
  round: Generated<number>;
  method: OrderMethod;
  state: FileState | ServiceState;
  /** Why it is dead, superseded, withdrawn, held or waiting, in words for a person. */
  cause: string | null;
  /** Class of the last error. */
  error_class: string | null;
  /** scheme://host[:port] of deliverTo, so that one dead target holds up nobody else. */
  target: string | null;
  filename: string | null;
  location: string | null;
  bytes: bigint | null;
  checksum: Uint8Array | null;
  source_check: 'ok' | 'mismatch' | 'none' | null;
  target_check: 'verified' | 'size' | 'complete' | null;
  attempts: Generated<number>;
  /** Service rows: subscribers that it was sent to in this round, by all gateways. */
  published: Generated<number>;
  next_at: Stamp;
  deadline_at: NullableStamp;
  owner: string | null;
  until: NullableStamp;
  epoch: Generated<bigint>;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface AttemptTable {
  delivery_id: bigint;
  epoch: bigint;
  round: number;
  started_at: Stamp;
  ended_at: NullableStamp;
  bytes: bigint | null;
  checksum: Uint8Array | null;
  remote_path: string | null;
  error_class: string | null;
  error: string | null;
}

/** One sender per path, and "older never overwrites newer". */
export interface TargetPathTable {
  target: string;
  path: string;
  domain: string;
  key: string;
  revision: string;
  updated_ns: bigint;
  delivery_id: bigint;
  epoch: bigint;
  /** Set while a sender owns the path. */
  until: NullableStamp;
}

export type EventType =
  | 'product'
  | 'matched'
  | 'delivered'
  | 'failed'
  | 'superseded'
  | 'withdrawn'
  | 'available'
  | 'order'
  | 'warning'
  | 'backend';

/** What happened. Read by (tx, id) below the oldest running transaction, so that late commits are never skipped. */
export interface EventTable {
  id: Generated<bigint>;
  tx: ColumnType<string, never, never>;
  at: Stamp;
  type: EventType;
  order_id: bigint | null;
  owner: string | null;
  domain: string | null;
  journal_id: bigint | null;
  delivery_id: bigint | null;
  payload: Json<unknown>;
}

/** Everything up to here was removed by retention; `generation` changes when a store is imported. */
export interface EventFloorTable {
  generation: string;
  tx: ColumnType<string, string, string>;
  id: bigint;
}

/** Values all gateways of one database share, such as the secret that signs links. */
export interface SettingTable {
  name: string;
  value: string;
}
