import type { Health } from './backend.js';

/** `refused`: will not work as asked (scheme, host, credentials, outside the root). `notYet`: may work later (no such directory, host down). */
export type ProbeResult =
  | { readonly status: 'ok' }
  | { readonly status: 'refused'; readonly reason: string }
  | { readonly status: 'notYet'; readonly reason: string };

export interface TargetCapabilities {
  readonly atomicRename: boolean;
  readonly posixRename: boolean;
  readonly resume: boolean;
  readonly remoteChecksum: boolean;
}

export interface SourceBody {
  /** null = unknown until the end. */
  readonly size: number | null;
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface PutOptions {
  /** `readback`: read what landed and compare its SHA-256; `remote`: the server's own checksum or size when that is all it has. */
  readonly verify: 'readback' | 'remote';
  /** false: an existing file under the final name with other content is an error of class `refuse`; with equal content it is success. */
  readonly overwrite: boolean;
  /** Part of the temporary name, so that a worker that wakes late writes nobody's file. */
  readonly deliveryId: string;
  readonly epoch: number;
  readonly signal: AbortSignal;
  /** Bytes written so far; called often, cheap. */
  readonly progress?: (bytes: number) => void;
}

export interface PutResult {
  /** Full URI of the file, without credentials. */
  readonly location: string;
  readonly bytes: number;
  /** SHA-256 of what was read from the source. */
  readonly checksum: Uint8Array;
  /** `verified`: what landed equals what was read; `size`: only its size could be compared. */
  readonly targetCheck: 'verified' | 'size';
}

/**
 * Where files go, by URI scheme. A file is never visible under its final name before it is complete and checked.
 * `name` may hold `/` for sub-folders (already checked: relative, no `..`, no control characters).
 * Failures are `MpdError` of code Delivery Failed with a class (`target-down`, `retry`, `refuse`, `fatal`).
 * Conformance: `test/conformance/target/`.
 */
export interface DeliveryTarget {
  readonly schemes: readonly string[];
  readonly capabilities: TargetCapabilities;
  /** Tests reach, credentials and right to write, leaving nothing behind. */
  probe(uri: URL, signal: AbortSignal): Promise<ProbeResult>;
  put(uri: URL, name: string, body: SourceBody, options: PutOptions): Promise<PutResult>;
  /** What lies under the final name now: to settle a lost answer, a restart, or a doubt. null = nothing. */
  stat(
    uri: URL,
    name: string,
    options: { readonly checksum: boolean; readonly signal: AbortSignal },
  ): Promise<TargetStat | null>;
  /** Removes temporary files of earlier epochs of this delivery; harmless when there are none. */
  clean(uri: URL, name: string, deliveryId: string, signal: AbortSignal): Promise<void>;
  /** Names of the files in the folder of the URI that begin with `prefix`, sorted; empty when there is no such folder. Absent: cannot be listed. */
  list?(uri: URL, prefix: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Reads the file under the final name; null = nothing there. The stream lives as long as `take`. Absent: cannot be read. */
  read?<T>(uri: URL, name: string, signal: AbortSignal, take: (file: TargetFile) => Promise<T>): Promise<T | null>;
  /** What another system needs to write into this place by itself. Delivery Failed with the reason when it cannot. Absent: it never can. */
  handOver?(uri: URL): HandOver;
  check(): Promise<Health>;
  close(): Promise<void>;
}

export interface TargetFile {
  readonly bytes: number;
  /** Without credentials. */
  readonly location: string;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** An account and a folder for somebody else. The password is behind a function, so that no log or JSON ever shows it. */
export interface HandOver {
  readonly scheme: string;
  /** Null where the scheme has none. */
  readonly host: string | null;
  readonly port: number | null;
  readonly directory: string;
  readonly username: string | null;
  readonly password: () => string | null;
}

export interface TargetStat {
  readonly bytes: number;
  /** SHA-256, when asked for and obtainable. */
  readonly checksum: Uint8Array | null;
  readonly location: string;
}

export interface TargetDependencies {
  readonly log: import('pino').Logger;
  readonly guard: import('../net/guard.js').Guard;
}

/** `config` is the `targets:` section of gateway.yaml (`allow`, `named`, …). */
export interface TargetConfig {
  readonly allow: readonly Readonly<Record<string, unknown> & { scheme: string }>[];
  readonly named: Readonly<Record<string, Readonly<Record<string, unknown> & { uri: string }>>>;
  readonly inlineCredentials: boolean;
}

export type TargetFactory = (config: TargetConfig, dependencies: TargetDependencies) => Promise<DeliveryTarget>;

/** What a folder of `src/targets/`, or a module from outside the tree, exports. */
export interface TargetModule {
  readonly createTarget: TargetFactory;
}

/** For modules from outside the tree, which have no other way to them. */
export { deliveryFailed, invalid, MpdError } from '../mpd/index.js';
