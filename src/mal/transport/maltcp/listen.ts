import type { AddressInfo } from 'node:net';
import { createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Encoding } from '../../encoding/encoding.js';
import type { MalError } from '../../errors.js';
import type { Channel, Log, MessageHeader, Receive } from '../../message.js';
import { noLog } from '../../message.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../limits.js';
import { Connection, rootUri } from './connection.js';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Host to announce in URIs; by default the one listened on. */
  readonly publishedHost?: string;
  readonly tls?: TlsOptions;
  /** Encodings that consumers may use; which one is seen from what they send. */
  readonly encodings: readonly Encoding[];
  readonly receive: Receive;
  /** Called for a message that cannot be served though its header is readable. */
  readonly reject: (header: MessageHeader, error: MalError, channel: Channel) => void;
  readonly limits?: Partial<TransportLimits>;
  readonly log?: Log;
}

export interface Listener {
  /** Scheme, host and port, no slash at the end. */
  readonly rootUri: string;
  readonly connections: number;
  /** Takes no more connections, lets what is written go out, and drops connections that stay open longer. */
  close(graceMs?: number): Promise<void>;
}

/** Serves maltcp. @throws the error of the socket, as when the address is in use */
export async function listenMaltcp(options: ListenOptions): Promise<Listener> {
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const log = options.log ?? noLog;
  const connections = new Set<Connection>();
  const unfinished = { bytes: 0 };
  let localRoot = '';

  function accept(socket: Socket): void {
    if (connections.size >= limits.connections) {
      log('warn', 'maltcp connection refused', { peer: socket.remoteAddress, limit: limits.connections });
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, {
      encodings: options.encodings,
      limits,
      log,
      localRoot,
      now: Date.now,
      unfinished,
      receive: options.receive,
      reject: options.reject,
    });
    connections.add(connection);
    connection.onClose(() => connections.delete(connection));
  }

  const server: Server = options.tls === undefined ? createPlainServer(accept) : createTlsServer(options.tls, accept);
  server.on('tlsClientError', (error: Error) => log('warn', 'maltcp TLS handshake failed', { reason: error.message }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log('warn', 'maltcp listener', { reason: error.message }));
  const address = server.address() as AddressInfo;
  localRoot = rootUri(options.publishedHost ?? address.address, address.port);
  return {
    rootUri: localRoot,
    get connections() {
      return connections.size;
    },
    async close(graceMs = 1000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections) connection.end();
      const timer = setTimeout(() => {
        for (const connection of connections) connection.close('still open at the end');
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
