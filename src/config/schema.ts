import { z } from 'zod';
import { accessSection } from './sections/access.js';
import { backendsSection, targetsSection } from './sections/backends.js';
import { gatewaySection, storeSection } from './sections/gateway.js';
import { listenSection } from './sections/listen.js';
import {
  capabilitiesSection,
  deliverySection,
  eventsSection,
  extensionsSection,
  limitsSection,
  logSection,
  sweepSection,
} from './sections/operation.js';

/** The shape of gateway.yaml: the one declaration behind validation, `config schema`, `config show` and the reference page. */
export const configSchema = z.strictObject({
  gateway: gatewaySection,
  store: storeSection,
  listen: listenSection,
  access: accessSection,
  backends: backendsSection,
  targets: targetsSection,
  delivery: deliverySection,
  limits: limitsSection,
  sweep: sweepSection,
  events: eventsSection,
  extensions: extensionsSection,
  capabilities: capabilitiesSection,
  log: logSection,
});

/**
 * gateway.yaml as read: defaults filled in, `env:` and `file:` resolved, paths absolute, sizes in bytes, durations in
 * milliseconds.
 */
export type GatewayConfig = z.output<typeof configSchema>;
export type { BackendConfig } from './sections/backends.js';
export type TargetsConfig = GatewayConfig['targets'];
