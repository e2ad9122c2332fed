import type { AttemptInfo, Completeness, DeliveryInfo } from '../../../gateway/api.js';
import type { FileState, ServiceState } from '../../../gateway/schema.js';
import { Long, ObjectRefType, Time } from '../../../mal/index.js';
import { flag, listOf, mpd, nullable, oneOf, record, type Shape, text, whole } from './shape.js';

const STATES = {
  matched: 1,
  queued: 1,
  sending: 1,
  landed: 1,
  verified: 1,
  notified: 1,
  dead: 1,
  superseded: 1,
  withdrawn: 1,
  available: 1,
  published: 1,
  tooLarge: 1,
  acknowledged: 1,
} as const satisfies Record<FileState | ServiceState, 1>;
export const DELIVERY_STATES = Object.keys(STATES) as readonly (FileState | ServiceState)[];

const delivery = {
  id: mpd(Long),
  orderID: mpd(Long),
  ref: mpd(ObjectRefType),
  revision: text(),
  round: whole(0),
  state: oneOf(DELIVERY_STATES),
  cause: nullable(text()),
  errorClass: nullable(text()),
  filename: nullable(text()),
  location: nullable(text()),
  bytes: nullable(mpd(Long)),
  checksum: nullable(text({ description: 'SHA-256 in hex' })),
  sourceCheck: nullable(oneOf(['ok', 'mismatch', 'none'])),
  targetCheck: nullable(oneOf(['verified', 'size', 'complete'])),
  attempts: whole(0),
  published: whole(0),
  nextAttemptAt: nullable(mpd(Time)),
  createdAt: mpd(Time),
  updatedAt: mpd(Time),
};

export const DeliveryInfoShape: Shape<DeliveryInfo> = record(delivery, {
  name: 'Delivery',
  doc: 'One row of the ledger: what happened to one product revision for one order.',
});

const AttemptShape: Shape<AttemptInfo> = record(
  {
    round: whole(0),
    startedAt: mpd(Time),
    endedAt: nullable(mpd(Time)),
    bytes: nullable(mpd(Long)),
    checksum: nullable(text()),
    remotePath: nullable(text()),
    errorClass: nullable(text()),
    error: nullable(text()),
  },
  { name: 'Attempt' },
);

export const DeliveryDetailShape: Shape<DeliveryInfo & { readonly log: readonly AttemptInfo[] }> = record(
  { ...delivery, log: listOf(AttemptShape) },
  { name: 'DeliveryDetail', doc: 'A ledger row with every attempt.' },
);

export const DeliveryPageShape: Shape<{ readonly deliveries: readonly DeliveryInfo[]; readonly next: string | null }> =
  record({ deliveries: listOf(DeliveryInfoShape), next: nullable(text()) }, { name: 'DeliveryPage' });

export const CompletenessShape: Shape<Completeness> = record(
  {
    orderID: mpd(Long),
    held: whole(0),
    delivered: whole(0),
    underway: whole(0),
    missing: listOf(record({ ref: mpd(ObjectRefType), revision: text(), state: text(), cause: nullable(text()) })),
    more: flag,
  },
  {
    name: 'Completeness',
    doc: 'What the backend holds and the order matches, less what the ledger has. `more`: the list was cut at the limit.',
  },
);

const someRows = record({ ids: listOf(mpd(Long), { minItems: 1, maxItems: 10_000 }) }, { unknown: 'refuse' });
const deadRows = record({ ids: oneOf(['dead']) }, { unknown: 'refuse' });

export const RedriveShape: Shape<{ readonly ids: readonly bigint[] | 'dead' }> = {
  schema: {
    description: 'Delivery ids, or "dead" for every dead row.',
    oneOf: [someRows.schema, deadRows.schema],
    examples: [{ ids: 'dead' }],
  },
  components: () => ({}),
  encode: ({ ids }) => (ids === 'dead' ? deadRows.encode({ ids }) : someRows.encode({ ids })),
  decode: (json) => ((json as { readonly ids?: unknown } | null)?.ids === 'dead' ? deadRows : someRows).decode(json),
};

export const RedrivenShape = record({ redriven: whole(0) }, { name: 'Redriven' });
