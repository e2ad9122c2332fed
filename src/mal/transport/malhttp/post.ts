import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { malError } from '../../errors.js';
import type { OutgoingMessage } from '../../message.js';
import type { TransportLimits } from '../limits.js';
import { readBody } from './body.js';
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
  /** Connections at a time to one address. */
  readonly sockets: number;
  /** How long an answer may take to begin. */
  readonly answerMs: number;
}

export interface Poster {
  /** Sends a message to the URL of its `To`. @throws MalError Destination Transient, Destination Unknown */
  post(message: OutgoingMessage): Promise<HttpAnswer>;
  close(): void;
}

export function createPoster({ limits, tls, sockets, answerMs }: PosterOptions): Poster {
  const agentOptions = { keepAlive: true, maxSockets: sockets };
  const agent = tls === undefined ? new HttpAgent(agentOptions) : new HttpsAgent({ ...agentOptions, ...tls });
  const request = tls === undefined ? httpRequest : httpsRequest;
  return {
    async post({ header, body, encoding }) {
      const url = urlOf(header.to, tls !== undefined);
      const size = body.reduce((sum, piece) => sum + piece.length, 0);
      return new Promise((resolve, reject) => {
        const fail = (error: Error): void =>
          reject(malError('Destination Transient', `${header.to}: ${error.message}`, error));
        const call = request(url, {
          method: 'POST',
          agent,
          headers: encodeHeaders(header, encoding, size),
          timeout: answerMs,
        });
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
