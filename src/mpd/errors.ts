import type { MalErrorName } from '../mal/index.js';
import type { MpdErrorName } from './services.js';

export type MpdErrorCode = MpdErrorName | MalErrorName;

/**
 * What to do about an error. `retry`: again later, soon; `retryAfter`: not before `retryAfterMs`; `refuse`: the request itself is
 * at fault, again is the same; `target-down`: the other end, for everybody; `fatal`: this end is broken.
 */
export type ErrorClass = 'retry' | 'retryAfter' | 'refuse' | 'target-down' | 'fatal';

export interface MpdErrorOptions {
  readonly class: ErrorClass;
  readonly message: string;
  /** What the standard sends along: String, list of Integer, Long … (area 9); null for none. */
  readonly extraInformation?: unknown;
  readonly retryAfterMs?: number;
  /** Path of the field at fault, as in `productFilter.domain[1]`. */
  readonly field?: string;
  readonly cause?: unknown;
}

/** The one error that crosses module borders above the wires. */
export class MpdError extends Error {
  readonly code: MpdErrorCode;
  readonly class: ErrorClass;
  readonly extraInformation: unknown;
  readonly retryAfterMs: number | undefined;
  readonly field: string | undefined;

  constructor(code: MpdErrorCode, options: MpdErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'MpdError';
    this.code = code;
    this.class = options.class;
    this.extraInformation = options.extraInformation ?? null;
    this.retryAfterMs = options.retryAfterMs;
    this.field = options.field;
  }
}

export const isMpdError = (error: unknown, code?: MpdErrorCode): error is MpdError =>
  error instanceof MpdError && (code === undefined || error.code === code);

/** A field holds a value that cannot be accepted. */
export function invalid(field: string, reason: string, cause?: unknown): MpdError {
  const message = field === '' ? reason : `${field}: ${reason}`;
  return new MpdError('Invalid', { class: 'refuse', message, extraInformation: message, field, cause });
}

/** @param extra what is unknown: indexes of references (`number[]`), or an order id (`bigint`) */
export const unknown = (extra: readonly number[] | bigint | string | null, message: string): MpdError =>
  new MpdError('Unknown', { class: 'refuse', message, extraInformation: extra });

/**
 * More than `limit` entries; `found` is their number where it is known.
 * @param advice what to do instead
 */
export function tooMany(limit: number, found?: number, advice?: string): MpdError {
  const count = found === undefined ? `more than ${limit}` : String(found);
  const message = `${count} entries found, the limit is ${limit}${advice === undefined ? '' : `; ${advice}`}`;
  return new MpdError('Too Many', { class: 'refuse', message, extraInformation: message });
}

/** A file could not be delivered. */
export const deliveryFailed = (reason: string, errorClass: ErrorClass = 'refuse', cause?: unknown): MpdError =>
  new MpdError('Delivery Failed', { class: errorClass, message: reason, extraInformation: reason, cause });

/** An order could not be created. */
export const orderFailed = (reason: string, cause?: unknown): MpdError =>
  new MpdError('Order Failed', { class: 'refuse', message: reason, extraInformation: reason, cause });

/** A fault of ours; the cause is for the log, not for the peer. */
export const internal = (cause: unknown): MpdError =>
  new MpdError('Internal', {
    class: 'fatal',
    message: 'internal error',
    extraInformation: 'internal error',
    cause,
  });

/** The operation exists but is not offered here. */
export const unsupported = (what: string): MpdError =>
  new MpdError('Unsupported Operation', { class: 'refuse', message: what, extraInformation: what });

/** The error as an MpdError; anything else becomes {@link internal}. */
export const toMpdError = (error: unknown): MpdError => (error instanceof MpdError ? error : internal(error));
