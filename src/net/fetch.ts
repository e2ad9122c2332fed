import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { deliveryFailed, isMpdError, type MpdError } from '../mpd/errors.js';
import { describe, type Guard } from './guard.js';
import { redact } from './redact.js';
import { nextHop } from './redirect.js';

export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Until the connection stands; 10 s by default. */
  readonly connectTimeoutMs?: number | undefined;
  /** Until the response begins (after the request body went out), and between pieces of either body; 60 s by default. */
  readonly idleTimeoutMs?: number | undefined;
  /** Redirects to follow, each checked; 0 by default: a redirect is an answer like any other. */
  readonly redirects?: number;
  /** Certificates, client key, server name. A connection of its own then. */
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'> | undefined;
}

export interface FetchResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: URL;
  /** Read it to its end, or {@link discard} it. Fails with class `retry` when it is cut off or stalls. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body as text; refuses one above `limit` bytes (1 MiB by default). */
  text(limit?: number): Promise<string>;
  discard(): void;
}

/**
 * An HTTP request to an address that the guard permits. Failures are MpdError: `refuse` when it does not, `target-down` when there
 * was no answer, `retry` when the answer broke off; statuses are the caller's to judge. No compression is asked for.
 */
export async function guardedFetch(
  guard: Guard,
  url: string | URL,
  options: FetchOptions = {},
): Promise<FetchResponse> {
  let hop = { url: guard.check(url), options };
  for (let left = options.redirects ?? 0; ; left--) {
    const response = await send(guard, hop.url, hop.options);
    if (left <= 0) return response;
    const next = nextHop(hop.url, hop.options, response);
    if (!next) return response;
    response.discard();
    hop = { url: guard.check(next.url), options: next.options };
  }
}

async function send(guard: Guard, url: URL, options: FetchOptions): Promise<FetchResponse> {
  const { connectTimeoutMs = 10_000, idleTimeoutMs = 60_000, signal, body, tls } = options;
  signal?.throwIfAborted();
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') throw deliveryFailed(`${url.protocol}//${url.host}: not an HTTP address`);
  const port = Number(url.port || (secure ? 443 : 80));
  const headers: Record<string, string | number> = { 'accept-encoding': 'identity', ...options.headers };
  if (typeof body === 'string' || body instanceof Uint8Array) headers['content-length'] = Buffer.byteLength(body);
  const how: RequestOptions = {
    method: options.method ?? 'GET',
    headers,
    ...(tls
      ? { ...tls, agent: false, lookup: guard.lookup(secure ? 'https' : 'http', port) }
      : { agent: guard.agent(secure ? 'https' : 'http') }),
    ...(signal && { signal }),
  };
  const attempt = async () => {
    const request = (secure ? httpsRequest : httpRequest)(url, how);
    try {
      return await answer(request, url, { body, connectTimeoutMs, idleTimeoutMs, signal });
    } catch (error) {
      // A kept connection that the server was just closing says nothing about the server.
      if (request.reusedSocket && isReset(error) && /^(GET|HEAD)$/.test(how.method!) && body === undefined)
        return undefined;
      throw error;
    }
  };
  let message = await attempt();
  while (!message) message = await attempt();
  return toResponse(message, url, idleTimeoutMs, signal);
}

interface Sending {
  readonly body: FetchOptions['body'];
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Sends the request; resolves when the response begins, also when that is before the body has gone out. */
function answer(
  request: ClientRequest,
  url: URL,
  { body, connectTimeoutMs, idleTimeoutMs, signal }: Sending,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const failed = (reason: string) => deliveryFailed(`${shown(url)}: ${reason}`, 'target-down');
    const connecting = setTimeout(
      () => request.destroy(failed(`no connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    let ours = false;
    const silent = () => {
      if (ours) idle.refresh();
      else request.destroy(failed(`no answer for ${idleTimeoutMs} ms`));
    };
    const idle = setTimeout(silent, idleTimeoutMs);
    const settle = () => {
      clearTimeout(connecting);
      clearTimeout(idle);
    };
    request.once('socket', (socket) => {
      const connected = () => clearTimeout(connecting);
      if (socket.connecting) socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
      else connected();
    });
    request.on('response', (message) => {
      settle();
      resolve(message);
    });
    request.on('error', (error) => {
      settle();
      reject(asMpdError(error, url, 'target-down', signal));
    });
    // While the source of the body is slow, nobody else is to blame.
    const watched = async function* (source: AsyncIterable<Uint8Array>) {
      ours = true;
      for await (const chunk of source) {
        ours = false;
        idle.refresh();
        yield chunk;
        ours = true;
      }
      ours = false;
      idle.refresh();
    };
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) request.end(body);
    else
      pipeline(Readable.from(watched(body), { objectMode: false }), request).catch((error: Error) => {
        settle();
        // The source's own error, which the request only knows as a cut.
        reject(asMpdError(error, url, 'target-down', signal));
      });
  });
}

function toResponse(
  message: IncomingMessage,
  url: URL,
  idleTimeoutMs: number,
  signal: AbortSignal | undefined,
): FetchResponse {
  const broken = (reason: string) => deliveryFailed(`${shown(url)}: ${reason}`, 'retry');
  message.on('error', () => undefined);
  async function* body(): AsyncGenerator<Uint8Array> {
    const stalled = broken(`nothing received for ${idleTimeoutMs} ms`);
    // Counts only while waiting for data: a slow reader is no stall.
    let waiting = true;
    const timer = setTimeout(() => waiting && message.destroy(stalled), idleTimeoutMs);
    try {
      for await (const chunk of message) {
        waiting = false;
        yield chunk as Uint8Array;
        waiting = true;
        timer.refresh();
      }
    } catch (error) {
      throw asMpdError(error as Error, url, 'retry', signal);
    } finally {
      clearTimeout(timer);
    }
  }
  const stream = body();
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    url,
    body: stream,
    async text(limit = 1024 * 1024) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of stream) {
        size += chunk.byteLength;
        if (size > limit) throw deliveryFailed(`${shown(url)}: the answer is larger than ${limit} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString();
    },
    discard: () => void message.destroy(),
  };
}

function asMpdError(error: Error, url: URL, kind: MpdError['class'], signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (isMpdError(error)) return error;
  return deliveryFailed(`${shown(url)}: ${describe(error)}`, kind, error);
}

function isReset(error: unknown): boolean {
  const code = isMpdError(error) ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function shown(url: URL): string {
  return redact(`${url.origin}${url.pathname}`);
}
