import { isAscii } from 'node:buffer';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type ErrorClass, MpdError } from '../../src/mpd/index.js';
import type { Guard } from '../../src/net/guard.js';

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** Longest silence of the peer; default 60 s. */
  readonly timeoutMs?: number;
}

/** One request where the guard lets; no redirect is followed. Failures to connect are of class `retry`. */
export type Http = (url: string, request: HttpRequest) => Promise<IncomingMessage>;

export const fault = (message: string, kind: ErrorClass = 'retry', cause?: unknown): MpdError =>
  new MpdError('Internal', { class: kind, message, ...(cause !== undefined && { cause }) });

export function createHttp(guard: Guard): Http {
  return (url, { method = 'GET', headers = {}, body, signal, timeoutMs = 60_000 }) =>
    new Promise((resolve, reject) => {
      const { protocol } = new URL(url);
      const secure = protocol === 'https:';
      const options: RequestOptions = {
        method,
        headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
        agent: guard.agent(secure ? 'https' : 'http'),
        signal,
        timeout: timeoutMs,
      };
      const sent = (secure ? httpsRequest : httpRequest)(url, options, resolve);
      sent.on('timeout', () => sent.destroy(new Error(`no answer for ${timeoutMs} ms`)));
      sent.on('error', (error) => {
        if (signal.aborted) reject(signal.reason);
        else
          reject(error instanceof MpdError ? error : fault(`${new URL(url).origin}: ${textOf(error)}`, 'retry', error));
      });
      sent.end(body);
    });
}

const textOf = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map((one: Error) => one.message).join('; ') : error.message;

/** The whole body as text; class `retry` when it is cut off, `fatal` when it is longer than `limit` bytes. */
export function readText(response: IncomingMessage, limit = 256 << 20): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    // By events: an iteration of the body copies it once more.
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limit) response.destroy(fault(`an answer of more than ${limit} bytes`, 'fatal'));
    });
    response.on('end', () => resolve(textOfBytes(Buffer.concat(chunks))));
    response.on('error', (error) =>
      reject(error instanceof MpdError ? error : fault(`the answer was cut off: ${error.message}`, 'retry', error)),
    );
    response.on('close', () => {
      if (!response.complete) reject(fault('the answer was cut off'));
    });
  });
}

/** Nearly all of an index is ASCII, which needs no decoding. */
const textOfBytes = (bytes: Buffer): string => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');

/** Lets the connection be used again, or ends it when the body is long. */
export function discard(response: IncomingMessage): void {
  if (Number(response.headers['content-length'] ?? Number.POSITIVE_INFINITY) < 65_536) response.resume();
  else response.destroy();
}
