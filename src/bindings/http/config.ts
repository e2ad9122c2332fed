/** The `listen.http` section of gateway.yaml with everything decided. */
export interface HttpBindingConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** PEM text. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | null;
  /** `gateway.publicUrl`: under what address consumers see this gateway; null = links are relative and there are no signed ones. */
  readonly publicUrl: string | null;
  /** Key of signed links, at least 32 bytes; null = no signed links. */
  readonly linkSecret: string | null;
  readonly linkLifetimeSeconds: number;
  /** Origins of web pages that may call; empty = none. */
  readonly corsOrigins: readonly string[];
  /** /metrics without a key. */
  readonly openMetrics: boolean;
  readonly limits: HttpLimits;
}

export interface HttpLimits {
  /** Bytes of a JSON request. */
  readonly json: number;
  /** Bytes of all request headers. */
  readonly headers: number;
  readonly connections: number;
  /** Requests a minute for one principal. */
  readonly requestsPerMinute: number;
  /** Refused keys a minute from one address. */
  readonly failuresPerMinute: number;
  /** Open bodies, listings, event streams and long polls of one principal. */
  readonly streams: number;
  /** Entries of one page. */
  readonly page: number;
  /** To receive a request. */
  readonly receiveMs: number;
  /** To answer a request that is no stream. */
  readonly answerMs: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
  /** Longest long poll. */
  readonly waitMs: number;
  /** Between two signs of life of an event stream. */
  readonly heartbeatMs: number;
  /** For requests under way when the gateway stops. */
  readonly drainMs: number;
}

export const HTTP_DEFAULTS: HttpBindingConfig = {
  host: '127.0.0.1',
  port: 8080,
  tls: null,
  publicUrl: null,
  linkSecret: null,
  linkLifetimeSeconds: 24 * 3600,
  corsOrigins: [],
  openMetrics: false,
  limits: {
    json: 2 * 1024 * 1024,
    headers: 16 * 1024,
    connections: 1000,
    requestsPerMinute: 6000,
    failuresPerMinute: 60,
    streams: 32,
    page: 1000,
    receiveMs: 30_000,
    answerMs: 60_000,
    stallMs: 60_000,
    waitMs: 60_000,
    heartbeatMs: 15_000,
    drainMs: 10_000,
  },
};
