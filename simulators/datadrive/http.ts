import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request as the handlers see it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Path segments, each percent-decoded on its own ("/" in a name arrives as %2F). */
  readonly segments: readonly string[];
  /** As sent, without the query. */
  readonly rawPath: string;
  readonly query: URLSearchParams;
}

export function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const [rawPath = '/', search = ''] = splitOnce(request.url ?? '/', '?');
  const segments = rawPath.split('/').slice(1).map(decodeSegment);
  const query = new URLSearchParams(search);
  return { request, response, method: request.method ?? 'GET', segments, rawPath, query };
}

const splitOnce = (text: string, mark: string): readonly string[] => {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
};

/** Percent-decodes; text that is not valid percent-encoding is taken as it stands, as the public client sends raw keys. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export function sendText(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

export class TooLarge extends Error {}

export async function readBody(request: IncomingMessage, limit = 64 << 20): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new TooLarge(`a request of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export async function readJson<T>(request: IncomingMessage): Promise<T> {
  const text = (await readBody(request)).toString('utf8');
  return JSON.parse(text === '' ? '{}' : text) as T;
}
