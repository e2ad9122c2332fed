import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http';
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { malError } from '../../errors.js';
import type { OutgoingMessage } from '../../message.js';
import type { TransportLimits } from '../limits.js';
import { readBody } from './body.js';
import { encodeGeneric } from './generic.js';
import { encodeHeaders } from './header.js';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface PosterOptions {
  readonly limits: TransportLimits;
  /** Present: https, with these options. */
  readonly tls?: AgentOptions | undefined;
  readonly lookup?: LookupFunction | undefined;
  /** Connections at a time to one address. */
  readonly sockets: number;
  /** How long an answer may take to begin. */
  readonly answerMs: number;
  /** Hears of each new connection. */
  readonly onSocket?: (socket: Socket) => void;
}

/**
 * How MAL goes over HTTP. `request-response`: the header in HTTP headers, the first answer in the response; `no-response`: likewise, but
 * every answer is a post of its own; `no-encoding`: header and body in the HTTP body, every answer a post of its own.
 */
export type MalhttpMode = 'request-response' | 'no-response' | 'no-encoding';

export interface Poster {
  /** Sends a message to the URL of its `To`. @throws MalError Destination Transient, Destination Unknown */
  post(message: OutgoingMessage, mode: MalhttpMode): Promise<HttpAnswer>;
  close(): void;
}

export function createPoster({ limits, tls, lookup, sockets, answerMs, onSocket }: PosterOptions): Poster {
  const agentOptions = { keepAlive: true, maxSockets: sockets, ...(lookup !== undefined && { lookup }) };
  const agent = tls === undefined ? new HttpAgent(agentOptions) : new HttpsAgent({ ...agentOptions, ...tls });
  const request = tls === undefined ? httpRequest : httpsRequest;
  return {
    async post(message, mode) {
      const { header, encoding } = message;
      const url = urlOf(header.to, tls !== undefined);
      const generic = mode === 'no-encoding';
      const body = generic ? encodeGeneric(message) : message.body;
      const size = body.reduce((sum, piece) => sum + piece.length, 0);
      const headers = generic ? genericHeaders(size) : encodeHeaders(header, encoding, size);
      return new Promise((resolve, reject) => {
        const fail = (error: Error): void =>
          reject(malError('Destination Transient', `${header.to}: ${error.message}`, error));
        const call = request(url, { method: 'POST', agent, headers, timeout: answerMs });
        if (onSocket !== undefined) call.on('socket', onSocket);
        call.on('error', fail);
        call.on('timeout', () => call.destroy(new Error(`no answer within ${answerMs} ms`)));
        call.on('response', (response) => {
          readBody(response, limits.message).then((content) => {
            if (content === null) fail(new Error('the answer is too long, or ends early'));
            else resolve({ status: response.statusCode ?? 0, headers: response.headers, body: content });
          }, fail);
        });
        for (const piece of body) call.write(piece);
        call.end();
      });
    },
    close: () => agent.destroy(),
  };
}

function urlOf(uri: string, secure: boolean): URL {
  if (!uri.startsWith('malhttp://')) throw malError('Destination Unknown', `not a malhttp URI: ${uri}`);
  try {
    return new URL(`${secure ? 'https' : 'http'}${uri.slice('malhttp'.length)}`);
  } catch {
    throw malError('Destination Unknown', `not a malhttp URI: ${uri}`);
  }
}

const genericHeaders = (size: number): OutgoingHttpHeaders => ({
  'Content-Type': 'application/octet-stream',
  'Content-Length': size,
});
