import { createServer as createHttpServer, type IncomingMessage as HttpMessage, type ServerResponse } from 'node:http';
import type { AgentOptions } from 'node:https';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Encoding } from '../../encoding/encoding.js';
import { isMalError, type MalError, malError } from '../../errors.js';
import { type Channel, type Log, type MessageHeader, noLog, type Peer, type Receive } from '../../message.js';
import { errorStage } from '../../stages.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../limits.js';
import type { Listener } from '../maltcp/listen.js';
import { readBody } from './body.js';
import { ConsumerChannel } from './consumer-channel.js';
import { decodeGeneric } from './generic.js';
import { decodeHeaders, encodingOf, hasMalHeaders } from './header.js';
import { createPoster, type MalhttpMode } from './post.js';

export interface MalhttpListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly publishedHost?: string;
  /** https instead of http. */
  readonly tls?: ServerOptions;
  /** For what is posted to consumers; https when given. */
  readonly consumerTls?: AgentOptions;
  readonly encodings: readonly Encoding[];
  /** What consumers with HTTP headers expect, which nothing in their messages tells. `no-encoding` is told by the lack of them. */
  readonly mode?: Exclude<MalhttpMode, 'no-encoding'>;
  readonly receive: Receive;
  readonly reject: (header: MessageHeader, error: MalError, channel: Channel) => void;
  /** Whether messages may be posted to a consumer's URI; by default only to the address that its requests come from. */
  readonly mayPost?: (uri: string, peer: Peer) => boolean;
  readonly limits?: Partial<TransportLimits>;
  readonly log?: Log;
}

/** Serves malhttp. @throws the error of the socket, as when the address is in use */
export async function listenMalhttp(options: MalhttpListenOptions): Promise<Listener> {
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const log = options.log ?? noLog;
  const mayPost = options.mayPost ?? sameAddress;
  const usual = options.mode ?? 'request-response';
  const poster = createPoster({ limits, tls: options.consumerTls, sockets: 4, answerMs: limits.stallMs });
  const consumers = new Map<string, ConsumerChannel>();
  let localRoot = '';

  function channelOf(uri: string, peer: Peer, mode: MalhttpMode): ConsumerChannel {
    const key = `${mode} ${peer.address} ${uri}`;
    let channel = consumers.get(key);
    if (channel === undefined) {
      const created = new ConsumerChannel({
        uri,
        peer,
        encodings: options.encodings,
        poster,
        mode,
        limits,
        log,
        mayPost: mayPost(uri, peer),
        idle: () => {
          if (consumers.get(key) === created) consumers.delete(key);
        },
      });
      channel = created;
      consumers.set(key, created);
    }
    return channel;
  }

  async function serve(request: HttpMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      response.writeHead(405, { 'Content-Type': 'text/plain' });
      response.end('this is an endpoint of MAL over HTTP');
      request.resume();
      return;
    }
    if (!hasMalHeaders(request.headers)) {
      await serveGeneric(request, response);
      return;
    }
    const header = decodeHeaders(request.headers);
    const peer = peerOf(request);
    const inResponse = usual === 'request-response';
    const channel = channelOf(header.from, peer, usual);
    const answered = errorStage(header.interactionType, header.interactionStage) !== null && !header.isError;
    const announced = request.headers['content-length'];
    if (answered && inResponse) channel.await(header, response);
    const body = await readBody(request, limits.message);
    if (!answered || !inResponse) channel.noContent(response);
    if (body === null) {
      options.reject(
        header,
        malError('Bad Encoding', `a message of ${announced} bytes; the limit is ${limits.message}`),
        channel,
      );
      return;
    }
    try {
      const encoding = encodingOf(request.headers);
      if (encoding !== null) channel.encodings = [encoding];
      if (encoding !== null && !options.encodings.includes(encoding)) {
        throw malError('Bad Encoding', `the encoding ${encoding.name} is not offered`);
      }
      options.receive({ header, body }, channel);
    } catch (error) {
      if (!isMalError(error)) throw error;
      options.reject(header, error, channel);
    }
  }

  /** A message with its header in the body: answered by nothing here, and by posts of the same kind. */
  async function serveGeneric(request: HttpMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, limits.message);
    if (body === null) {
      response.writeHead(413).end();
      return;
    }
    const { encoding, ...message } = decodeGeneric(body, options.encodings);
    const channel = channelOf(message.header.from, peerOf(request), 'no-encoding');
    channel.encodings = [encoding];
    channel.noContent(response);
    options.receive(message, channel);
  }

  const handle = (request: HttpMessage, response: ServerResponse): void => {
    response.on('error', (error) => log('warn', 'malhttp response', { reason: error.message }));
    serve(request, response).catch((error: unknown) => {
      log('warn', 'malhttp request refused', { peer: peerOf(request).address, reason: (error as Error).message });
      if (!response.headersSent) response.writeHead(isMalError(error) ? 400 : 500).end();
    });
  };
  const server = options.tls === undefined ? createHttpServer(handle) : createHttpsServer(options.tls, handle);
  server.maxConnections = limits.connections;
  server.requestTimeout = limits.stallMs * 4;
  server.keepAliveTimeout = limits.keepAliveMs;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log('warn', 'malhttp listener', { reason: error.message }));
  const address = server.address() as AddressInfo;
  const host = options.publishedHost ?? address.address;
  localRoot = `malhttp://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  return {
    rootUri: localRoot,
    get connections() {
      return consumers.size;
    },
    async close(graceMs = 1000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
      for (const channel of [...consumers.values()]) channel.close('the provider stops');
      poster.close();
    },
  };
}

const peerOf = ({ socket }: HttpMessage): Peer => ({
  address: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
  port: socket.remotePort ?? 0,
  secure: 'encrypted' in socket,
});

function sameAddress(uri: string, { address }: Peer): boolean {
  const match = /^malhttp:\/\/(?:\[([^\]]+)\]|([^:/]+))(?:[:/]|$)/.exec(uri);
  return (match?.[1] ?? match?.[2]) === address;
}
