import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ServerInfo } from '../../client/http/client.js';
import type { Gateway } from '../../gateway/api.js';
import type { HttpBindingConfig } from './config.js';
import { stopping as stoppingFault } from './fault.js';
import { createLinks, type Links } from './links.js';
import { allRoutes } from './routes/index.js';
import type { ChecksumOf } from './send/body.js';
import { createApp } from './server/app.js';
import { createJsonReader } from './server/json-body.js';
import { createRateLimits, createStreamGate } from './server/limits.js';
import { createListener, drain, listen } from './server/listener.js';
import { createHttpMetrics } from './server/metrics.js';

export { HTTP_DEFAULTS, type HttpBindingConfig, type HttpLimits } from './config.js';
export { createLinks, type Links } from './links.js';
export type { ChecksumOf } from './send/body.js';

export interface HttpBindingOptions {
  readonly gateway: Gateway;
  readonly config: HttpBindingConfig;
  readonly log: Logger;
  readonly metrics: Registry;
  /** Where every binding can be reached, asked at each call. */
  readonly services: () => ServerInfo;
  /** Algorithm of `ProductMetadata.checksum` by domain; default: unknown. */
  readonly checksums?: ChecksumOf;
  /** Made from config when absent; the MAL binding may share them. */
  readonly links?: Links;
  /** ns since 1970 UTC. */
  readonly clock?: () => bigint;
}

export interface HttpBinding {
  /** @returns the address, with the port that was taken. @throws MpdError Invalid when it cannot listen */
  listen(): Promise<{ readonly url: string; readonly host: string; readonly port: number }>;
  /** Ends streams that can be resumed, lets the rest end for `limits.drainMs` (at once without `graceful`), then cuts. */
  close(options?: { readonly graceful?: boolean }): Promise<void>;
}

/** MPD over HTTP/JSON and SSE: `/api/v1`, health, metrics and its own documentation. */
export function createHttpBinding(options: HttpBindingOptions): HttpBinding {
  const { gateway, config, log, metrics } = options;
  const links =
    options.links ??
    createLinks({
      publicUrl: config.publicUrl,
      secret: config.linkSecret,
      lifetimeSeconds: config.linkLifetimeSeconds,
      clock: options.clock ?? (() => BigInt(Date.now()) * 1_000_000n),
    });
  const stopping = new AbortController();
  const over = new AbortController();
  setMaxListeners(0, stopping.signal, over.signal);
  const rates = createRateLimits(config.limits);
  const streams = createStreamGate(config.limits.streams);
  const routes = allRoutes({
    services: options.services,
    metrics,
    openMetrics: config.openMetrics,
    checksums: options.checksums ?? (() => null),
  });
  const app = createApp(routes, log, {
    gateway,
    config,
    links,
    rates,
    streams,
    metrics: createHttpMetrics(metrics, streams.open),
    readJson: createJsonReader(config.limits.json),
    stopping: stopping.signal,
    over: over.signal,
  });
  const server = createListener(config, app, log);

  return {
    async listen() {
      const { address, port, family } = await listen(server, config);
      const host = family === 'IPv6' ? `[${address}]` : address;
      const url = `${config.tls == null ? 'http' : 'https'}://${host}:${port}`;
      log.info({ url }, 'HTTP listens');
      return { url, host: address, port };
    },
    async close({ graceful = true } = {}) {
      stopping.abort(stoppingFault());
      await drain(server, graceful ? config.limits.drainMs : 0, () => over.abort(stoppingFault()));
      over.abort(stoppingFault());
      rates.close();
    },
  };
}
