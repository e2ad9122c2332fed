import { PROBLEM_TYPE, type Problem } from '../../client/http/wire/index.js';
import { DecodeError } from '../../mal/index.js';
import { invalid, MpdError, type MpdErrorCode, type MpdErrorOptions, toMpdError } from '../../mpd/index.js';
import { statusOf } from './status.js';

/** An error that HTTP has a status of its own for. */
export class HttpFault extends MpdError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: MpdErrorCode,
    options: Omit<MpdErrorOptions, 'class'> & Partial<Pick<MpdErrorOptions, 'class'>>,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(code, { class: 'refuse', ...options });
    this.status = status;
    this.headers = headers;
  }
}

export const noRoute = (path: string): HttpFault =>
  new HttpFault(404, 'Unknown', { message: `there is nothing at ${path}` });

export const wrongMethod = (method: string, path: string, allow: readonly string[]): HttpFault =>
  new HttpFault(
    405,
    'Unsupported Operation',
    { message: `${path} does not take ${method}, only ${allow.join(', ')}` },
    { Allow: allow.join(', ') },
  );

export const rateLimited = (retryAfterMs: number, message: string): HttpFault =>
  new HttpFault(429, 'Too Many', { class: 'retryAfter', retryAfterMs, message });

export const stopping = (): MpdError =>
  new MpdError('Shutdown', { class: 'retry', message: 'the gateway is stopping; ask again', retryAfterMs: 2000 });

/** Whatever was thrown as an MpdError; faults of Express and of the JSON reader become problems of the request. */
export function asFault(error: unknown): MpdError {
  if (error instanceof MpdError) return error;
  if (error instanceof DecodeError) return invalid(error.path, error.reason);
  if (error instanceof URIError) return invalid('', 'the path is not valid percent-encoding');
  const status = (error as { readonly status?: unknown } | null)?.status;
  const expose = (error as { readonly expose?: unknown } | null)?.expose;
  if (typeof status === 'number' && status >= 400 && status < 500 && expose !== false) {
    return new HttpFault(status, 'Invalid', { message: (error as Error).message });
  }
  return toMpdError(error);
}

export const faultStatus = (fault: MpdError): number => (fault instanceof HttpFault ? fault.status : statusOf(fault));

export function problemOf(fault: MpdError, instance?: string, requestId?: string): Problem {
  const status = faultStatus(fault);
  const { field, message } = fault;
  const named = field !== undefined && field !== '';
  return {
    type: `urn:ccsds:mpd:error:${fault.code.toLowerCase().replaceAll(' ', '-')}`,
    title: fault.code,
    status,
    detail: message,
    ...(instance === undefined ? {} : { instance }),
    code: fault.code,
    class: fault.class,
    ...(named ? { field } : {}),
    reason: named && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message,
    extraInformation: fault.extraInformation,
    ...(fault.retryAfterMs === undefined ? {} : { retryAfterMs: fault.retryAfterMs }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

export function faultHeaders(fault: MpdError): Record<string, string> {
  const status = faultStatus(fault);
  const wait = fault.retryAfterMs ?? (status === 503 ? 5000 : undefined);
  return {
    'Content-Type': PROBLEM_TYPE,
    'Cache-Control': 'no-store',
    ...(wait === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(wait / 1000))) }),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="mpd-gateway"' } : {}),
    ...(fault instanceof HttpFault ? fault.headers : {}),
  };
}
