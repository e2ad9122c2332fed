import type { FilterTree } from '../mpd/filter/index.js';
import type { OrderState } from './schema.js';
import type { HandOver, TargetFile } from './target.js';

/** Where a standing order wants its files, for a backend whose system can write there by itself. */
export interface OrderPlace {
  /** Without any password. */
  readonly deliverTo: string;
  readonly state: OrderState;
  /** What its owner may see; null = everything. What a system writes by itself is there before the gateway can refine. */
  readonly policy: FilterTree | null;
  /** Files are wanted below sub-folders. */
  readonly pathTemplate: string | null;
  /** Files are wanted in another form than they come in. */
  readonly form: string | null;
  /** What a system needs to write there. Delivery Failed with the reason when only the gateway can. */
  handOver(): HandOver;
  /** Names of files there that begin so. */
  list(prefix: string, signal: AbortSignal): Promise<readonly string[]>;
  /** null = nothing there. */
  read<T>(name: string, signal: AbortSignal, take: (file: TargetFile) => Promise<T>): Promise<T | null>;
}

/** null = no such order, or it takes no files. */
export type OrderPlaces = (orderId: bigint) => Promise<OrderPlace | null>;

/** Who brings a product to an order's target. */
export type Placement =
  /** The gateway; `reason`: why not the backend, where it was asked to. */
  | { readonly kind: 'gateway'; readonly reason: string | null }
  /** The backend's own system. `check` reads what lies there to its end: null when it is whole, else what is wrong. */
  | { readonly kind: 'backend'; check(stream: AsyncIterable<Uint8Array>): Promise<string | null> };
