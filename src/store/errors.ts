import { isMpdError, MpdError } from '../mpd/errors.js';

/** SQLSTATE classes and codes after which the same statement may well succeed: lost connection, conflict, shortage, fail-over. */
const PASSING = /^(08|53|57P0|40001$|40P01$|55P03$|25006$)/;
const PASSING_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);
const PASSING_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|not queryable|Client was closed|connection error/i;

/**
 * Errors of the database as the rest of the gateway sees them: those that pass become an MpdError of class `retry` with the
 * original as cause; others (a unique violation, a mistake in a statement) stay as they are, with their SQLSTATE in `code`.
 */
export function storeError(error: unknown): unknown {
  if (isMpdError(error) || !(error instanceof Error)) return error;
  if (!isPassing(error)) return error;
  const message = `the store is not available for the moment: ${describe(error)}`;
  return new MpdError('Internal', {
    class: 'retry',
    message,
    extraInformation: 'the store is not available',
    cause: error,
  });
}

export function isRetry(error: unknown): boolean {
  const seen = storeError(error);
  return isMpdError(seen) && seen.class === 'retry';
}

/** SQLSTATE of an error or of its cause. */
export function sqlState(error: unknown): string | undefined {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code;
  return cause ? sqlState(cause) : undefined;
}

function isPassing(error: Error): boolean {
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return PASSING.test(code) || PASSING_SYSTEM.has(code);
  if (error instanceof AggregateError) return error.errors.some((each) => each instanceof Error && isPassing(each));
  return PASSING_TEXT.test(error.message);
}

function describe(error: Error): string {
  if (error.message) return error.message;
  return error instanceof AggregateError ? error.errors.map((each) => (each as Error).message).join('; ') : error.name;
}
