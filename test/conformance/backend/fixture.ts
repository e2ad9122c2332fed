import { it } from 'vitest';
import type { Backend } from '../../../src/gateway/backend.js';
import type { UpstreamView } from './upstream.js';

/** A system with a backend in front of it, empty at first. What is done to the system may show in the backend a little later. */
export interface BackendFixture {
  readonly backend: Backend;
  /** Stores or replaces a product behind the backend's back. A hint that the system cannot take is left out. */
  put(key: string, bytes: Uint8Array, hints?: ProductHints): Promise<void>;
  remove(key: string): Promise<void>;
  /** Changes what the system says of a product, not its bytes; absent with `skip.touch`. */
  touch?(key: string): Promise<void>;
  /** Takes the system away; the result brings it back. Absent with `skip.outage`. */
  outage?(): Promise<() => Promise<void>>;
  /** Ends the backend, lets `meanwhile` happen, and starts another one on the same system. */
  restart(meanwhile: () => Promise<void>): Promise<Backend>;
  /** What is ordered at the system, where the harness says `upstream`. */
  readonly upstream?: UpstreamView;
  close(): Promise<void>;
}

export interface ProductHints {
  /** ns since 1970 UTC, whole seconds. */
  readonly created?: bigint;
  readonly content?: { readonly start: bigint; readonly end: bigint };
  readonly source?: string;
  /** The system's own fields, as text; which of them become attributes the mapping decides. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

export interface BackendHarness {
  create(): Promise<BackendFixture>;
  /** Why something is missing: its tests are skipped and show this. */
  readonly skip?: Partial<Record<SkippableAbility, string>>;
  /** A key for the nth product; the default is `folder/product-n.dat`. */
  readonly key?: (n: number) => string;
  /** Names of the hints' `fields` that the mapping under test knows, for the filter properties. */
  readonly fields?: readonly string[];
  /** The system takes orders and its fixtures let them be seen: the rules of `Backend.upstream` are tested too. */
  readonly upstream?: boolean;
  /** How long a change may take to show, ms; default 30 s. */
  readonly patience?: number;
}

export type SkippableAbility =
  | 'awkwardNames' // keys are not free text
  | 'zeroLength'
  | 'equalTimes' // creation times cannot be chosen
  | 'touch'
  | 'remove'
  | 'replace' // products never change
  | 'large' // no bodies of some MiB
  | 'outage';

/** The harness with its defaults; `unless` is `it`, skipped with the reason where an ability is missing. */
export function rulesFor(harness: BackendHarness) {
  const { skip = {}, key = (n: number) => `folder/product-${n}.dat`, patience = 30_000 } = harness;
  const unless = (...abilities: SkippableAbility[]) => {
    const reason = abilities.map((ability) => skip[ability]).find((text) => text !== undefined);
    return (title: string, run: () => Promise<void>) =>
      reason === undefined ? it(title, run) : it.skip(`${title} (${reason})`, run);
  };
  return { skip, key, patience, unless };
}

export type Rules = ReturnType<typeof rulesFor>;
