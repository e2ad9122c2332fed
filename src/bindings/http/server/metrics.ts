import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface HttpMetrics {
  observe(route: string, method: string, status: number, seconds: number): void;
}

/** Registers what this binding counts. */
export function createHttpMetrics(registry: Registry, openStreams: () => number): HttpMetrics {
  const labelNames = ['route', 'method', 'status'] as const;
  const requests = new Counter({
    name: 'mpd_http_requests_total',
    help: 'HTTP requests by route and status.',
    labelNames,
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'mpd_http_request_seconds',
    help: 'Time from request to the end of the answer.',
    labelNames: ['route', 'method'] as const,
    buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
    registers: [registry],
  });
  new Gauge({
    name: 'mpd_http_open_streams',
    help: 'Bodies, listings, event streams and long polls that are open.',
    registers: [registry],
    collect() {
      this.set(openStreams());
    },
  });
  return {
    observe(route, method, status, seconds) {
      requests.inc({ route, method, status: String(status) });
      duration.observe({ route, method }, seconds);
    },
  };
}
