import type { FilterTree } from '../../mpd/filter/index.js';
import type { TimeWindow } from '../../mpd/index.js';
import type { Backend, UpstreamJob } from '../backend.js';
import { backendsFor } from '../catalogue/merge.js';

/** What `standing_order.upstream` holds of one backend: the remote request and its last known state. */
export interface UpstreamEntry {
  /** Empty until the backend has taken the order. */
  readonly id: string;
  readonly state: string;
  readonly details: Readonly<Record<string, string | null>>;
  readonly jobs?: readonly UpstreamJob[];
  /** The order had begun when it was submitted, and the backend makes data of that time for it. */
  readonly past?: boolean;
  /** With `past`: nothing more will be made. */
  readonly done?: boolean;
  /** The order has ended, and the backend has let go of it. */
  readonly left?: boolean;
}

/** By backend. */
export type UpstreamState = Readonly<Record<string, UpstreamEntry>>;

/** Backends that make data of the past for an order: its validity has begun and concerns them. */
export function backendsOfPast(
  backends: readonly Backend[],
  tree: FilterTree | null,
  validity: TimeWindow | null,
  now: bigint,
): readonly Backend[] {
  if (validity === null || validity.start >= now) return [];
  return backendsFor(backends, tree).filter(({ upstream }) => upstream?.readsPast === true);
}

/** How an order waits for these backends: not ended before each has made its past. */
export const awaitingPast = (backends: readonly Backend[]): UpstreamState | null =>
  backends.length === 0
    ? null
    : Object.fromEntries(
        backends.map(({ id }) => [id, { id: '', state: 'submitted', details: {}, past: true, done: false }]),
      );

/** Whether the order has data of the past made, by its `upstream` column. */
export const readsPast = (upstream: unknown): boolean =>
  Object.values((upstream ?? {}) as UpstreamState).some(({ past }) => past === true);
