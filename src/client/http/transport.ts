import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type ErrorClass, invalid, MpdError, type MpdErrorCode } from '../../mpd/index.js';
import type { HttpClientOptions } from './client.js';
import { errorOf, type Json, PROBLEM_TYPE, ProblemShape } from './wire/index.js';

export interface HttpCall {
  readonly method: string;
  /** Below the base URL, with its query. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly json?: Json;
  readonly signal?: AbortSignal | undefined;
  /** Statuses beside 2xx that are no error. */
  readonly accept?: readonly number[];
  /** Wait for the answer as long as the server takes: it may be making the product. */
  readonly patient?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly stream: IncomingMessage;
}

export interface Transport {
  readonly base: string;
  /** @throws MpdError rebuilt from the problem, or of the connection; the signal's reason when aborted */
  send(call: HttpCall): Promise<HttpAnswer>;
  close(): void;
}

/** Requests to one gateway over kept-alive connections; the key goes nowhere else, redirects are errors. */
export function createTransport(url: string, options: HttpClientOptions): Transport {
  const base = baseOf(url);
  const secure = base.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
    : new HttpAgent({ keepAlive: true });
  const idleMs = options.idleTimeoutMs ?? 60_000;
  const prefix = base.pathname.replace(/\/+$/, '');

  return {
    base: `${base.origin}${prefix}`,
    async send(call) {
      call.signal?.throwIfAborted();
      const body = call.json === undefined ? null : Buffer.from(JSON.stringify(call.json));
      const request = (secure ? httpsRequest : httpRequest)({
        protocol: base.protocol,
        hostname: base.hostname.replace(/^\[|\]$/g, ''),
        port: base.port === '' ? undefined : base.port,
        method: call.method,
        path: `${prefix}${call.path}`,
        agent,
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        headers: {
          Accept: 'application/json',
          ...(options.key === undefined ? {} : { Authorization: `Bearer ${options.key}` }),
          ...(body === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': body.byteLength }),
          ...call.headers,
        },
      });
      request.on('socket', (socket) => socket.setKeepAlive(true, 15_000));
      if (call.patient !== true) request.setTimeout(idleMs, () => request.destroy(silence(idleMs)));
      const stream = await answerOf(request, body, call.signal, base.origin);
      stream.setTimeout(idleMs, () => stream.destroy(silence(idleMs)));
      const status = stream.statusCode ?? 0;
      if ((status >= 200 && status < 300) || call.accept?.includes(status))
        return { status, headers: stream.headers, stream };
      throw await errorOfAnswer(stream, status, call.signal);
    },
    close: () => agent.destroy(),
  };
}

function answerOf(
  request: ReturnType<typeof httpRequest>,
  body: Buffer | null,
  signal: AbortSignal | undefined,
  origin: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve);
    request.on('error', (error) => reject(signal?.aborted ? signal.reason : connectionError(error, origin)));
    request.end(body);
  });
}

function baseOf(url: string): URL {
  if (!URL.canParse(url)) throw invalid('url', `not a URL: ${JSON.stringify(url)}`);
  const base = new URL(url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw invalid('url', 'expected http:// or https://');
  if (base.username !== '' || base.password !== '') throw invalid('url', 'no user and password in the URL; give a key');
  base.pathname = base.pathname.replace(/\/api\/v1\/?$/, '');
  base.search = '';
  base.hash = '';
  return base;
}

/** The whole text of an answer of bounded size. */
export async function readText(
  stream: IncomingMessage,
  origin: string,
  signal?: AbortSignal,
  limit = 256 * 1024 * 1024,
): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunksOf(stream, origin, signal)) {
    size += chunk.byteLength;
    if (size > limit)
      throw new MpdError('Bad Encoding', { class: 'refuse', message: `an answer of more than ${limit} bytes` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The bytes of an answer; a lost connection is Destination Lost. */
export async function* chunksOf(stream: IncomingMessage, origin: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw connectionError(error, origin);
  }
}

async function errorOfAnswer(stream: IncomingMessage, status: number, signal?: AbortSignal): Promise<MpdError> {
  const text = await readText(stream, '', signal, 4 * 1024 * 1024);
  if ((stream.headers['content-type'] ?? '').startsWith(PROBLEM_TYPE))
    return errorOf(ProblemShape.decode(JSON.parse(text)));
  const [code, errorClass] = plainError(status);
  return new MpdError(code, {
    class: errorClass,
    message: `the server answered ${status} ${stream.statusMessage ?? ''}`.trim(),
  });
}

/** What a status means that came without a problem: from a proxy, or from a server that is no gateway. */
function plainError(status: number): readonly [MpdErrorCode, ErrorClass] {
  if (status === 401) return ['Authentication Failed', 'refuse'];
  if (status === 403) return ['Authorisation Fail', 'refuse'];
  if (status === 404) return ['Unknown', 'refuse'];
  if (status === 502 || status === 503 || status === 504) return ['Destination Transient', 'retry'];
  return [status >= 500 ? 'Internal' : 'Bad Encoding', status >= 500 ? 'fatal' : 'refuse'];
}

const silence = (ms: number): MpdError =>
  new MpdError('Delivery Timedout', { class: 'retry', message: `no byte from the server for ${ms / 1000} s` });

/** @param origin for the message */
export function connectionError(error: unknown, origin: string): MpdError {
  if (error instanceof MpdError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const reached = code === 'ECONNRESET' || code === 'EPIPE' || message === 'aborted' || message === 'socket hang up';
  if (reached)
    return new MpdError('Destination Lost', { class: 'retry', message: 'the connection was lost', cause: error });
  return new MpdError('Destination Unknown', {
    class: 'target-down',
    message: `cannot reach ${origin}: ${message || code}`,
    cause: error,
  });
}
