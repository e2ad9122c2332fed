import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import type { Encoding } from '../../encoding/encoding.js';
import { malError } from '../../errors.js';
import { type Log, noLog, rootOf } from '../../message.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../limits.js';
import type { ClientTransport, Dialogue } from '../transport.js';
import { Connection, rootUri } from './connection.js';

export interface MaltcpClientOptions {
  /** Must be what the provider uses: maltcp does not announce it. */
  readonly encoding: Encoding;
  readonly tls?: TlsConnectionOptions;
  readonly limits?: Partial<TransportLimits>;
  readonly log?: Log;
  /** Opens the socket; by default to any host. */
  readonly dial?: (host: string, port: number) => Socket | Promise<Socket>;
}

/** Connects to maltcp providers: one connection each, opened when needed, replies on the same. */
export function maltcpClient(options: MaltcpClientOptions): ClientTransport {
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const log = options.log ?? noLog;

  async function dial(uri: string): Promise<Socket> {
    const { host, port } = hostAndPort(uri);
    if (options.dial !== undefined) return options.dial(host, port);
    return options.tls === undefined
      ? connectPlain({ host, port })
      : connectTls({ ...(isIP(host) === 0 && { servername: host }), ...options.tls, host, port });
  }

  return {
    scheme: 'maltcp',
    encoding: options.encoding,
    async open(uri, receive): Promise<Dialogue> {
      const socket = await dial(uri);
      await connected(socket, options.tls === undefined ? 'connect' : 'secureConnect', limits.connectMs, rootOf(uri));
      const local = rootUri((socket.localAddress ?? '127.0.0.1').replace(/^::ffff:/, ''), socket.localPort ?? 0);
      const connection = new Connection(socket, {
        encodings: [options.encoding],
        limits,
        log,
        localRoot: local,
        now: Date.now,
        unfinished: { bytes: 0 },
        receive,
        reject: (header, error, channel) => channel.close(`${error.message} (transaction ${header.transactionId})`),
      });
      return { channel: connection, localRoot: local, end: async () => connection.end() };
    },
  };
}

function hostAndPort(uri: string): { readonly host: string; readonly port: number } {
  const match = /^maltcp:\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d{1,5})(?:\/|$)/.exec(uri);
  if (match === null) throw malError('Destination Unknown', `not a maltcp URI: ${uri}`);
  return { host: match[1] ?? match[2]!, port: Number(match[3]) };
}

function connected(socket: Socket, event: string, timeoutMs: number, root: string): Promise<void> {
  if (!socket.connecting && event === 'connect' && socket.remoteAddress !== undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      socket.destroy();
      reject(malError('Destination Transient', `${root}: ${reason}`));
    };
    const timer = setTimeout(() => fail(`no connection within ${timeoutMs} ms`), timeoutMs);
    socket.once('error', (error) => {
      clearTimeout(timer);
      fail(error.message);
    });
    socket.once(event, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
