import { AliveShape, HealthShape, ServicesShape } from '../../../client/http/wire/index.js';
import { answer, type Route, stream } from '../route.js';
import { API } from './common.js';
import type { RouteOptions } from './index.js';

const tag = 'System';

export const systemRoutes = ({ services, metrics, openMetrics }: RouteOptions): readonly Route[] => [
  answer({
    method: 'get',
    path: `${API}/services`,
    id: 'listServices',
    tag,
    summary: 'Where this gateway can be reached, one entry a binding',
    errors: [],
    answers: ServicesShape,
    handle: async () => ({ value: services() }),
  }),
  answer({
    method: 'get',
    path: '/healthz',
    id: 'isAlive',
    tag,
    summary: 'The process answers',
    access: 'open',
    errors: [],
    answers: AliveShape,
    handle: async () => ({ value: { status: 'alive' as const } }),
  }),
  answer({
    method: 'get',
    path: '/readyz',
    id: 'isReady',
    tag,
    summary: 'Database, every backend and every target, each with its reason; 503 when not ready',
    access: 'open',
    errors: [],
    answers: HealthShape,
    also: { 503: { doc: 'Not ready.', answers: HealthShape } },
    async handle({ gateway }) {
      const value = await gateway.health();
      return { value, status: value.ready ? 200 : 503 };
    },
  }),
  stream({
    method: 'get',
    path: '/metrics',
    id: 'readMetrics',
    tag,
    summary: 'Metrics for Prometheus; for operators unless the configuration opens them',
    access: openMetrics ? 'open' : 'operator',
    errors: ['Authorisation Fail'],
    streams: [{ type: 'text/plain', schema: { type: 'string' } }],
    async handle(call) {
      call.res.set({ 'Content-Type': metrics.contentType, 'Cache-Control': 'no-store' }).send(await metrics.metrics());
    },
  }),
];
