/** A failure the caller is told of, as a code of the contract. The message never holds internals or passwords. */
export type FaultCode =
  | 'AUTH_FAILED'
  | 'NOT_AUTHENTICATED'
  | 'ACCESS_DENIED'
  | 'INVALID_REQUEST'
  | 'UNSUPPORTED_TYPE'
  | 'UNKNOWN_REQUEST'
  | 'NOT_READY'
  | 'NO_SUCH_PART'
  | 'EXPIRED'
  | 'LIMIT_EXCEEDED'
  | 'INTERNAL';

export class EddsFault extends Error {
  override readonly name = 'EddsFault';
  constructor(
    readonly code: FaultCode,
    message: string,
    readonly requestId: string | null = null,
  ) {
    super(message);
  }
}

export const invalid = (message: string): EddsFault => new EddsFault('INVALID_REQUEST', message);
