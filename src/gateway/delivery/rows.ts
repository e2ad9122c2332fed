import type { Entry, Form } from '../backend.js';
import type { EntryColumns } from '../values.js';

/** A ledger row under lease, with what its order and its product say. */
export interface DeliveryRow extends EntryColumns {
  readonly id: bigint;
  readonly epoch: bigint;
  readonly order_id: bigint;
  readonly journal_id: bigint;
  readonly domain: string;
  readonly key: string;
  readonly round: number;
  /** State before the lease: `sending` means that a worker was lost and how far it came is not known. */
  readonly was: 'queued' | 'sending' | 'landed';
  readonly target: string;
  readonly filename: string | null;
  readonly location: string | null;
  readonly bytes: bigint | null;
  readonly checksum: Uint8Array | null;
  readonly source_check: 'ok' | 'mismatch' | 'none' | null;
  readonly attempts: number;
  readonly order_owner: string;
  readonly deliver_to: string;
  readonly secret: Uint8Array | null;
  readonly overwrite: boolean;
  readonly on_bad_source: 'deliver-flagged' | 'hold';
  readonly path_template: string | null;
  /** Form that the order wants; null = as it came. */
  readonly form: string | null;
  readonly deadline_s: number;
  /** Filter tree as JSON; null = everything. */
  readonly owner_policy: unknown;
  readonly backend: string;
  readonly version: bigint;
}

/** A leased row that may be sent: its place is known and its path is ours. */
export interface Claimed {
  readonly row: DeliveryRow;
  readonly entry: Entry;
  readonly destination: import('../targets.js').Destination;
  /** Relative to deliverTo. */
  readonly filename: string;
  /** In which it is sent; null = as it came. */
  readonly form: Form | null;
  readonly path: TargetPath;
  /** Another delivery that held the path and was lost: what it left is to be removed. */
  readonly abandoned: bigint | null;
  /** The entry as its backend just gave it, for `open`; resolves with undefined where it has to be looked up. */
  readonly known?: () => Promise<Entry | undefined>;
}

/** Key of `target_path`. */
export interface TargetPath {
  readonly target: string;
  readonly path: string;
}
