import type { Registry } from 'prom-client';
import type { ServerInfo } from '../../../client/http/client.js';
import type { Route } from '../route.js';
import type { ChecksumOf } from '../send/body.js';
import { bodyRoutes } from './bodies.js';
import { deliveryRoutes } from './deliveries.js';
import { documentRoutes } from './documents.js';
import { eventRoutes } from './events.js';
import { filterRoutes } from './filters.js';
import { orderRoutes } from './orders.js';
import { productRoutes } from './products.js';
import { pullRoutes } from './pull.js';
import { systemRoutes } from './system.js';

export interface RouteOptions {
  readonly services: () => ServerInfo;
  readonly metrics: Registry;
  readonly openMetrics: boolean;
  readonly checksums: ChecksumOf;
}

/** Every route of the binding: what is served, documented and tested. */
export function allRoutes(options: RouteOptions): readonly Route[] {
  const api = [
    ...productRoutes,
    ...bodyRoutes(options.checksums),
    ...orderRoutes,
    ...deliveryRoutes,
    ...pullRoutes,
    ...filterRoutes,
    ...eventRoutes,
    ...systemRoutes(options),
  ];
  return [...api, ...documentRoutes(api, () => options.services())];
}
