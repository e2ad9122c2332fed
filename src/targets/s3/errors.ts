import { deliveryFailed, type ErrorClass, MpdError } from '../../mpd/index.js';

interface S3Error extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly code?: string;
}

const KINDS: Readonly<Record<string, readonly [ErrorClass, string]>> = {
  NoSuchBucket: ['retry', 'no such bucket'],
  AccessDenied: ['retry', 'no right to write there'],
  InvalidAccessKeyId: ['target-down', 'the server refused the login'],
  SignatureDoesNotMatch: ['target-down', 'the server refused the login'],
  ExpiredToken: ['target-down', 'the credentials have expired'],
  SlowDown: ['retry', 'the server asks to slow down'],
  ServiceUnavailable: ['target-down', 'the server is not available'],
  BadDigest: ['retry', 'what landed differs from what was sent (checksum)'],
  XAmzContentChecksumMismatch: ['retry', 'what landed differs from what was sent (checksum)'],
  EntityTooLarge: ['refuse', 'the file is too large for the server'],
  KeyTooLongError: ['refuse', 'the name is too long for the server'],
  XMinioStorageFull: ['target-down', 'no space left on the target'],
  NoSuchUpload: ['retry', 'the upload was aborted by somebody else'],
};

export const statusOf = (error: unknown): number | undefined => (error as S3Error | null)?.$metadata?.httpStatusCode;

/** A HEAD answer has no body and so no name: 404 then means what the caller asked for is not there. */
export const isMissing = (error: unknown): boolean =>
  statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket';

/** A conditional write was refused: the object exists. */
export const exists = (error: unknown): boolean =>
  statusOf(error) === 412 || (statusOf(error) === 409 && /Conditional/i.test((error as Error).name));

/** Reason in words and class of an S3 or connection error. */
export function s3Fault(error: unknown): readonly [ErrorClass, string] {
  const { name, message } = error as S3Error;
  const known = KINDS[name];
  if (known) return known;
  const status = statusOf(error);
  if (status === undefined) return ['target-down', message || name];
  if (status === 401 || status === 403) return ['retry', 'no right to write there'];
  if (status === 404) return ['retry', 'no such bucket'];
  return [status >= 500 ? 'target-down' : 'retry', `the server answered ${status} ${name}`];
}

/** As Delivery Failed; an MpdError stays what it is. */
export function asDeliveryFailed(error: unknown, where: string): MpdError {
  if (error instanceof MpdError) return error;
  const cause = (error as { readonly cause?: unknown } | null)?.cause;
  if (cause instanceof MpdError) return cause;
  const [kind, reason] = s3Fault(error);
  return deliveryFailed(`${where}: ${reason}`, kind, error);
}
