import type { GatewayEvent, GatewayHealth } from '../../../gateway/api.js';
import type { EventType } from '../../../gateway/schema.js';
import { Long, Time } from '../../../mal/index.js';
import { ProductMetadata } from '../../../mpd/index.js';
import type { ServerInfo } from '../client.js';
import { anything, flag, listOf, mapOf, mpd, nullable, oneOf, optional, record, type Shape, text } from './shape.js';

const TYPES = {
  matched: 1,
  product: 1,
  delivered: 1,
  failed: 1,
  superseded: 1,
  withdrawn: 1,
  available: 1,
  order: 1,
  warning: 1,
  backend: 1,
} as const satisfies Record<EventType, 1>;
export const EVENT_TYPES = Object.keys(TYPES) as readonly EventType[];

export const EventShape: Shape<GatewayEvent> = record(
  {
    cursor: text(),
    at: mpd(Time),
    type: oneOf(EVENT_TYPES),
    orderID: nullable(mpd(Long)),
    owner: nullable(text()),
    deliveryId: nullable(mpd(Long)),
    payload: mapOf(anything),
    metadata: nullable(mpd(ProductMetadata)),
  },
  { name: 'Event', doc: 'Something that happened, in commit order.' },
);

export const EventsShape: Shape<{ readonly events: readonly GatewayEvent[]; readonly cursor: string }> = record(
  { events: listOf(EventShape), cursor: text() },
  { name: 'Events', doc: 'Ask again from `cursor`.' },
);

export const ServicesShape: Shape<ServerInfo> = record(
  {
    name: text(),
    version: text(),
    services: listOf(
      record({ binding: text(), uri: text({ format: 'uri' }), services: listOf(text()), details: mapOf(text()) }),
    ),
  },
  { name: 'Services', doc: 'Where this gateway can be reached, one entry a binding.' },
);

const part = record({
  kind: oneOf(['store', 'backend', 'target']),
  id: text(),
  ok: flag,
  reason: text(),
  importing: optional(flag),
});
export const HealthShape: Shape<GatewayHealth> = record(
  { ready: flag, parts: listOf(part) },
  { name: 'Health', doc: 'Each part with what was checked, or what is wrong and what to do.' },
);

export const AliveShape = record({ status: oneOf(['alive']) }, { name: 'Alive' });
