import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { PROBLEM_TYPE } from '../../../client/http/wire/index.js';
import { invalid } from '../../../mpd/index.js';
import type { HttpBindingConfig } from '../config.js';

/** The HTTP or HTTPS server with its limits; not yet listening. @throws MpdError Invalid when the certificate cannot be used */
export function createListener(config: HttpBindingConfig, app: RequestListener, log: Logger): Server {
  const { limits, tls } = config;
  const options = {
    maxHeaderSize: limits.headers,
    headersTimeout: limits.receiveMs,
    requestTimeout: limits.receiveMs,
    keepAliveTimeout: 30_000,
    connectionsCheckingInterval: Math.min(5000, limits.receiveMs),
    keepAlive: true,
  };
  const server = tls == null ? createServer(options, app) : secure(options, tls, app);
  server.maxConnections = limits.connections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    log.debug({ code: error.code }, 'bad request');
    refuse(error.code, socket, limits);
  });
  return server;
}

function secure(
  options: Parameters<typeof createServer>[0] & object,
  tls: { readonly cert: string | Buffer; readonly key: string | Buffer },
  app: RequestListener,
): Server {
  try {
    return createTlsServer({ ...options, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2' }, app);
  } catch (error) {
    throw invalid('listen.http.tls', `certificate or key cannot be used: ${(error as Error).message}`, error);
  }
}

/** Answers what never became a request. */
function refuse(code: string | undefined, socket: Socket, limits: HttpBindingConfig['limits']): void {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, title, detail] =
    code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large', `headers: more than ${limits.headers} bytes`]
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? [408, 'Request Timeout', `the request did not arrive within ${limits.receiveMs / 1000} s`]
        : [400, 'Bad Request', 'not an HTTP request'];
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status,
    detail,
    code: 'Bad Encoding',
    class: 'refuse',
    reason: detail,
  });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Starts to listen. @throws MpdError Invalid naming `listen.http.port` or `listen.http.host` */
export async function listen(server: Server, { host, port }: HttpBindingConfig): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(listenFault(error, host, port));
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
  return server.address() as AddressInfo;
}

function listenFault(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return invalid(
        'listen.http.port',
        `port ${port} on ${host} is in use; stop the other program or choose another port`,
        error,
      );
    case 'EACCES':
      return invalid('listen.http.port', `no right to listen on port ${port}; choose one above 1023`, error);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return invalid('listen.http.host', `${host} is no address of this machine`, error);
    default:
      return invalid('listen.http', `cannot listen on ${host}:${port}: ${error.message}`, error);
  }
}

/** Lets what is under way end for at most `drainMs`, then cuts it off. Resolves when every connection is closed. */
export async function drain(server: Server, drainMs: number, cut: () => void): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 100);
  const patience = setTimeout(() => {
    cut();
    setTimeout(() => server.closeAllConnections(), 500).unref();
  }, drainMs);
  try {
    await closed;
  } finally {
    clearTimeout(patience);
    clearInterval(idle);
  }
}
