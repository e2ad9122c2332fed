import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import {
  createHttpBinding,
  HTTP_DEFAULTS,
  type HttpBinding,
  type HttpBindingConfig,
  type HttpBindingOptions,
  type HttpLimits,
} from '../../src/bindings/http/index.js';
import type { Gateway } from '../../src/gateway/api.js';

export interface Served {
  readonly url: string;
  readonly port: number;
  readonly binding: HttpBinding;
  /** Every log line so far. */
  readonly logs: () => string;
  /** GET and others with the operator's key. */
  fetch(path: string, init?: RequestInit & { readonly key?: string | null }): Promise<Response>;
}

type Over = Partial<Omit<HttpBindingConfig, 'limits'>> & { readonly limits?: Partial<HttpLimits> };

/** A binding on a free port, closed when the test is over. */
export async function serve(
  gateway: Gateway,
  over: Over = {},
  options: Partial<HttpBindingOptions> = {},
): Promise<Served> {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const binding = createHttpBinding({
    gateway,
    log: pino({ level: 'trace' }, sink),
    metrics: new Registry(),
    services: () => ({
      name: 'test-gateway',
      version: '0.0.0',
      services: [{ binding: 'http', uri: 'http://127.0.0.1/', services: ['ProductRetrieval'], details: {} }],
    }),
    ...options,
    config: { ...HTTP_DEFAULTS, port: 0, ...over, limits: { ...HTTP_DEFAULTS.limits, drainMs: 2000, ...over.limits } },
  });
  const { url, port } = await binding.listen();
  onTestFinished(() => binding.close({ graceful: false }));
  return {
    url,
    port,
    binding,
    logs: () => lines.join(''),
    fetch: (path, { key = 'ops-key', headers, ...init } = {}) =>
      fetch(`${url}${path}`, {
        ...init,
        headers: { ...(key === null ? {} : { Authorization: `Bearer ${key}` }), ...headers },
      }),
  };
}

/** Sends raw bytes; resolves with everything that came back and how the connection ended. */
export function raw(
  port: number,
  text: string,
): Promise<{ readonly received: string; readonly end: 'closed' | 'reset' }> {
  return new Promise((resolve) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(text));
    let received = '';
    let end: 'closed' | 'reset' = 'closed';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('error', () => (end = 'reset'));
    socket.on('close', () => resolve({ received, end }));
  });
}

export const json = (
  value: unknown,
): { readonly method: 'POST'; readonly headers: Record<string, string>; readonly body: string } => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(value),
});
