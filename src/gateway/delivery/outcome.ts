import type { ErrorClass } from '../../mpd/index.js';
import type { DeliveryRow, TargetPath } from './rows.js';

/** What lies at the target after a transfer. */
export interface LandedFile {
  readonly filename: string;
  readonly location: string;
  readonly bytes: number;
  /** SHA-256. */
  readonly checksum: Uint8Array;
  readonly sourceCheck: 'ok' | 'mismatch' | 'none';
  /** `complete`: another system sent it; what lies there was read and is whole, with nothing to compare it with. */
  readonly targetCheck: 'verified' | 'size' | 'complete';
  /** Kept with the attempt: why it went this way. */
  readonly note?: string;
}

/** What a worker has to say about a row it holds. */
export type Outcome =
  /** The file is there; nobody was told yet. */
  | { readonly kind: 'landed'; readonly row: DeliveryRow; readonly path: TargetPath; readonly file: LandedFile }
  /** Verified: told to the world. */
  | { readonly kind: 'notified'; readonly row: DeliveryRow; readonly path: TargetPath; readonly file: LandedFile }
  /** No try any more. */
  | Ended
  /** Back into the queue. */
  | Postponed
  /** The row is somebody else's, or was withdrawn: only the path is let go. */
  | { readonly kind: 'lost'; readonly row: DeliveryRow; readonly path: TargetPath | null; readonly bytes: number };

export interface Ended {
  readonly kind: 'ended';
  readonly row: DeliveryRow;
  readonly path: TargetPath | null;
  readonly filename: string | null;
  readonly state: 'dead' | 'superseded' | 'withdrawn';
  readonly errorClass: ErrorClass | 'held' | null;
  readonly cause: string;
  readonly sourceCheck?: 'mismatch';
  readonly bytes: number;
}

export interface Postponed {
  readonly kind: 'postponed';
  readonly row: DeliveryRow;
  readonly path: TargetPath | null;
  readonly filename: string | null;
  /** `attempt` counts; `wait` does not. Either ends at the deadline when there is an error class. */
  readonly reason: 'attempt' | 'wait';
  readonly errorClass: ErrorClass | null;
  readonly cause: string | null;
  readonly delayMs: number;
  /** How far the attempt came. */
  readonly bytes: number;
}

/** Back into the queue, nobody's fault: as the row was, due again after `delayMs`. */
export const givenBack = (
  row: DeliveryRow,
  {
    path = null,
    filename = null,
    delayMs = 0,
    bytes = 0,
  }: Partial<Pick<Postponed, 'path' | 'filename' | 'delayMs' | 'bytes'>> = {},
): Postponed => ({
  kind: 'postponed',
  row,
  path,
  filename,
  reason: 'wait',
  errorClass: null,
  cause: null,
  delayMs,
  bytes,
});
