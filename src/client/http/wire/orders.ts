import type {
  BackfillRequest,
  NamedFilter,
  OrderHistoryEntry,
  OrderInfo,
  OrderRequest,
  Retention,
} from '../../../gateway/api.js';
import type { OrderState } from '../../../gateway/schema.js';
import { Long, Time } from '../../../mal/index.js';
import { DeliveryMethodEnum, ProductFilter, StandingOrder, TimeWindow } from '../../../mpd/index.js';
import { DeliveryInfoShape } from './deliveries.js';
import { FilterTreeShape } from './filter-tree.js';
import { ListedShape } from './products.js';
import { flag, listOf, mapOf, mpd, nullable, oneOf, optional, record, type Shape, text, whole } from './shape.js';

const STATES = { active: 1, paused: 1, suspended: 1, expired: 1, cancelled: 1, done: 1 } as const satisfies Record<
  OrderState,
  1
>;
export const ORDER_STATES = Object.keys(STATES) as readonly OrderState[];

const pausePolicy = oneOf(['hold', 'skip']);
const onBadSource = oneOf(['deliver-flagged', 'hold']);

export const BackfillShape: Shape<BackfillRequest> = record(
  { axis: oneOf(['available', 'created', 'content']), from: nullable(mpd(Time)), to: nullable(mpd(Time)) },
  {
    name: 'Window',
    doc: 'A window on one time axis, both ends included, null = open. `available`: when this gateway could first fetch it.',
    unknown: 'refuse',
    example: { axis: 'created', from: '2026-01-01T00:00:00Z', to: null },
  },
);

export const RetentionShape: Shape<Retention> = record(
  { last: nullable(whole(1)), seconds: nullable(whole(1)) },
  {
    name: 'Retention',
    doc: 'Notifications kept for MAL subscribers that come later: as many, and as old, as this; null = no such bound.',
    unknown: 'refuse',
    example: { last: 100, seconds: null },
  },
);

export const OrderRequestShape: Shape<OrderRequest> = record(
  {
    user: nullable(text()),
    productFilter: nullable(mpd(ProductFilter)),
    tree: optional(nullable(FilterTreeShape)),
    validityPeriod: nullable(mpd(TimeWindow)),
    deliveryMethod: mpd(DeliveryMethodEnum),
    deliverTo: nullable(text({ format: 'uri' })),
    comments: nullable(text()),
    pausePolicy: optional(pausePolicy),
    onBadSource: optional(onBadSource),
    overwrite: optional(flag),
    pathTemplate: optional(nullable(text())),
    form: optional(nullable(text())),
    deadlineSeconds: optional(whole(1)),
    backfill: optional(BackfillShape),
    retain: optional(nullable(RetentionShape)),
    acceptUnreachable: optional(flag),
  },
  {
    name: 'OrderRequest',
    doc: 'A standing order. `user` absent = yourself. `tree`, the policies, `form`, `backfill` and `acceptUnreachable` are extensions.',
    unknown: 'refuse',
    example: {
      productFilter: { productType: 'TelemetryPackets', domain: ['local', '*'] },
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///delivered',
      backfill: { axis: 'created', from: '2026-01-01T00:00:00Z' },
    },
  },
);

const order = {
  order: mpd(StandingOrder),
  kind: oneOf(['standing', 'once']),
  state: oneOf(ORDER_STATES),
  tree: nullable(FilterTreeShape),
  pausePolicy,
  onBadSource,
  overwrite: flag,
  pathTemplate: nullable(text()),
  form: nullable(text()),
  deadlineSeconds: whole(0),
  retain: nullable(RetentionShape),
  warning: nullable(text()),
  createdAt: mpd(Time),
  updatedAt: mpd(Time),
  counts: mapOf(whole(0)),
  upstream: nullable(
    mapOf(
      record({
        ...{ id: text(), state: text(), details: mapOf(nullable(text())) },
        jobs: optional(
          listOf(record({ id: text(), purpose: text(), state: text(), details: mapOf(nullable(text())) })),
        ),
      }),
    ),
  ),
};

/** What the standard tells of an order, in the words of {@link OrderInfoShape}. */
export const StandingShape = record({ order: mpd(StandingOrder) }, { name: 'StandingOrderOnly' });

export const OrderInfoShape: Shape<OrderInfo> = record(order, {
  name: 'Order',
  doc: 'A standing order with its state and its deliveries counted by state.',
});

export const OrderDetailShape: Shape<OrderInfo & { readonly history: readonly OrderHistoryEntry[] }> = record(
  {
    ...order,
    history: listOf(record({ at: mpd(Time), actor: text(), action: text(), detail: nullable(text()) })),
  },
  { name: 'OrderDetail', doc: 'An order with its history.' },
);

export const OrderPageShape: Shape<{ readonly orders: readonly OrderInfo[]; readonly next: string | null }> = record(
  { orders: listOf(OrderInfoShape), next: nullable(text()) },
  { name: 'OrderPage' },
);

export const UpstreamRequestShape = record({
  ...{ backend: text(), id: text(), state: text() },
  orderId: nullable(mpd(Long)),
  details: mapOf(nullable(text())),
});

export const UpstreamListShape = record(
  { upstream: listOf(UpstreamRequestShape) },
  { name: 'UpstreamList', doc: 'Jobs and orders at the systems behind the gateway, in their own words.' },
);

export const SubmittedShape = record(
  { orderID: mpd(Long), warning: nullable(text()) },
  { name: 'Submitted', doc: 'The id is never 0. `warning`: accepted, but look at this.' },
);

export const PauseShape = record(
  { policy: optional(nullable(pausePolicy)) },
  {
    name: 'Pause',
    doc: 'What happens to products that arrive meanwhile; absent = as the order says.',
    unknown: 'refuse',
    example: { policy: 'hold' },
  },
);

export const JobShape = record({ job: mpd(Long) }, { name: 'Job' });

export const PulledShape = record(
  { position: mpd(Long), delivery: DeliveryInfoShape, product: ListedShape },
  { name: 'PulledProduct' },
);
export const PullShape = record(
  { products: listOf(PulledShape) },
  { name: 'Pulled', doc: 'What is available, oldest first. Acknowledge the last position to go on.' },
);
export const AcknowledgeShape = record(
  { position: mpd(Long) },
  { name: 'Acknowledge', unknown: 'refuse', example: { position: 42 } },
);

export const NamedFilterShape: Shape<NamedFilter> = record(
  { owner: text(), name: text(), filter: FilterTreeShape, description: nullable(text()), shared: flag },
  { name: 'NamedFilter' },
);
export const NamedFiltersShape: Shape<{ readonly filters: readonly NamedFilter[] }> = record(
  { filters: listOf(NamedFilterShape) },
  { name: 'NamedFilters' },
);
export const PutFilterShape = record(
  { filter: FilterTreeShape, description: nullable(text()), shared: optional(flag) },
  {
    name: 'PutFilter',
    doc: '`shared`: everybody may use it, each within what they may see.',
    unknown: 'refuse',
    example: { filter: { any: [{ productTypes: ['TelemetryPackets'] }, { pathPrefix: 'orbit/' }] }, shared: true },
  },
);
