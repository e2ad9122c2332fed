import type { DeliveryTarget } from '../../../src/gateway/target.js';

/** One server (or folder, or bucket) to run the suite against. */
export interface TargetHarness {
  /** A target ready for use, with rights to `place` and none to `refused`. Closed by the suite. */
  create(): Promise<DeliveryTarget>;
  /** Before each test: a fresh, empty, writable place. */
  place(): Promise<TargetPlace>;
  /** URIs the probe and put must refuse, each with a part of the reason. */
  readonly refused: readonly (readonly [uri: () => string, reason: RegExp])[];
  /** A URI that may work later (no such directory), with a part of the reason; null with `skip.notYet`. */
  notYet(): readonly [uri: string, reason: RegExp] | null;
  /** Why a capability is missing: its tests are skipped and show this. */
  readonly skip?: Partial<Record<SkippableCapability, string>>;
  /** What `verify: 'readback'` must answer; default `verified`. */
  readonly targetCheck?: 'verified' | 'size';
}

export type SkippableCapability =
  | 'notYet' // places appear by being written to
  | 'temporaryFiles' // nothing is stored before the end
  | 'corruption' // what was sent cannot be changed before it is checked
  | 'noOverwrite' // an existing file cannot be protected
  | 'awkwardNames'
  | 'directoryInTheWay';

export interface TargetPlace {
  readonly uri: URL;
  /** Everything stored below, temporary files too, as `/`-separated names relative to the place (folders left out). Seen from outside the target. */
  list(): Promise<readonly string[]>;
  read(name: string): Promise<Uint8Array>;
  /** Stores a file behind the target's back, with its folders. */
  write(name: string, content: Uint8Array): Promise<void>;
  /** Makes a folder behind the target's back; may be absent with `skip.directoryInTheWay`. */
  makeFolder?(name: string): Promise<void>;
  /** Changes bytes of the one temporary file that is being written, waiting until it holds some; may be absent with `skip.corruption`. */
  corrupt?(): Promise<void>;
  remove(): Promise<void>;
}
