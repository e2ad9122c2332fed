import type { MpdError, MpdErrorCode } from '../../mpd/index.js';

/** HTTP status of each MPD and MAL error, where its class does not say more. */
const STATUS: Readonly<Record<MpdErrorCode, number>> = {
  Invalid: 400,
  'Delivery Failed': 422,
  'Order Failed': 422,
  Unknown: 404,
  'Too Many': 422,
  'Delivery Timedout': 504,
  'Delivery Delayed': 503,
  'Destination Unknown': 502,
  'Destination Transient': 503,
  'Destination Lost': 502,
  'Authentication Failed': 401,
  'Authorisation Fail': 403,
  'Encryption Fail': 502,
  'Unsupported Area': 501,
  'Unsupported Area Version': 501,
  'Unsupported Service': 501,
  'Unsupported Operation': 501,
  'Bad Encoding': 400,
  Internal: 500,
  'Incorrect State': 409,
  Shutdown: 503,
  'Transaction Timeout': 504,
};

/** Faults of the request, as long as asking again is of no use. */
const REQUEST_FAULTS: ReadonlySet<MpdErrorCode> = new Set([
  'Invalid',
  'Unknown',
  'Authentication Failed',
  'Authorisation Fail',
  'Bad Encoding',
  'Unsupported Operation',
  'Incorrect State',
]);

/** Status of an error: by class where the fault lies behind the gateway or passes, by code otherwise. */
export function statusOf(error: MpdError): number {
  if (isGap(error)) return 410;
  if (REQUEST_FAULTS.has(error.code) && (error.class === 'refuse' || error.class === 'fatal'))
    return STATUS[error.code];
  if (error.code === 'Too Many') return error.class === 'retryAfter' || error.class === 'retry' ? 429 : 422;
  if (error.class === 'target-down') return 502;
  if (error.class === 'retry' || error.class === 'retryAfter') return 503;
  return STATUS[error.code];
}

/** The events after a cursor are no longer kept. */
export const isGap = (error: MpdError): boolean => error.code === 'Unknown' && error.extraInformation === 'gap';
