import type {
  AttemptInfo,
  DeliveryInfo,
  OrderHistoryEntry,
  OrderInfo,
  UpstreamRequest as StandingRequest,
} from '../../client/index.js';
import { encodeTree } from '../../mpd/filter/index.js';
import { writtenRef } from '../input/reference.js';
import { humanSize, humanTime, humanWindow } from '../output/human.js';
import type { Column } from '../output/table.js';

const countsText = ({ counts }: OrderInfo): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');

function filterText({ order, tree }: Pick<OrderInfo, 'order' | 'tree'>): string {
  const { productFilter } = order;
  const parts = [
    productFilter?.productType,
    productFilter?.domain?.join('.'),
    productFilter?.sources?.join('|'),
    productFilter?.attributeFilter?.map(({ name }) => name).join(','),
  ].filter((part) => part !== null && part !== undefined && part !== '');
  if (parts.length > 0) return parts.join(' ');
  return tree === null ? 'everything' : JSON.stringify(encodeTree(tree));
}

const upstreamText = ({ upstream }: OrderInfo): string | null =>
  upstream &&
  Object.entries(upstream)
    .map(([backend, { state }]) => `${backend} ${state}`)
    .join(', ');

/** What the standard tells of an order. */
export const standingColumns: readonly Column<Pick<OrderInfo, 'order'>>[] = [
  { head: 'ORDER', text: ({ order }) => order.orderID, align: 'right' },
  { head: 'OWNER', text: ({ order }) => order.user },
  { head: 'METHOD', text: ({ order }) => order.deliveryMethod },
  { head: 'FILTER', text: ({ order }) => filterText({ order, tree: null }) },
  { head: 'TO', text: ({ order }) => order.deliverTo },
  { head: 'COMMENTS', text: ({ order }) => order.comments },
];

const retainText = ({ retain }: OrderInfo): string | null =>
  retain === null
    ? null
    : [
        retain.last === null ? '' : `the last ${retain.last} notifications`,
        retain.seconds === null ? '' : `notifications of ${retain.seconds} s`,
      ]
        .filter((part) => part !== '')
        .join(', ');

export const orderColumns: readonly Column<OrderInfo>[] = [
  { head: 'ORDER', text: ({ order }) => order.orderID, align: 'right' },
  { head: 'STATE', text: ({ state }) => state },
  { head: 'OWNER', text: ({ order }) => order.user },
  { head: 'METHOD', text: ({ order }) => order.deliveryMethod },
  { head: 'DELIVERIES', text: countsText },
  { head: 'FILTER', text: filterText },
  { head: 'TO', text: ({ order }) => order.deliverTo },
];

export const orderFields: readonly Column<OrderInfo>[] = [
  { head: 'order', text: ({ order }) => order.orderID },
  { head: 'kind', text: ({ kind }) => kind },
  { head: 'state', text: ({ state }) => state },
  { head: 'owner', text: ({ order }) => order.user },
  { head: 'filter', text: filterText },
  { head: 'method', text: ({ order }) => order.deliveryMethod },
  { head: 'to', text: ({ order }) => order.deliverTo },
  { head: 'valid', text: ({ order }) => humanWindow(order.validityPeriod) },
  { head: 'comments', text: ({ order }) => order.comments },
  { head: 'while paused', text: ({ pausePolicy }) => pausePolicy },
  { head: 'bad source', text: ({ onBadSource }) => onBadSource },
  { head: 'overwrite', text: ({ overwrite }) => String(overwrite) },
  { head: 'sub-folders', text: ({ pathTemplate }) => pathTemplate },
  { head: 'form', text: ({ form }) => form },
  { head: 'deadline', text: ({ deadlineSeconds }) => `${deadlineSeconds} s` },
  { head: 'retains', text: retainText },
  { head: 'deliveries', text: countsText },
  { head: 'upstream', text: upstreamText },
  { head: 'warning', text: ({ warning }) => warning },
  { head: 'created', text: ({ createdAt }) => humanTime(createdAt) },
];

export const historyColumns: readonly Column<OrderHistoryEntry>[] = [
  { head: 'AT', text: ({ at }) => humanTime(at) },
  { head: 'WHO', text: ({ actor }) => actor },
  { head: 'WHAT', text: ({ action }) => action },
  { head: 'DETAIL', text: ({ detail }) => detail },
];

type UpstreamRequest = NonNullable<NonNullable<OrderInfo['upstream']>[string]['jobs']>[number] & {
  readonly backend: string;
};

/** The requests at other systems that run for an order. */
export const upstreamRequests = ({ upstream }: OrderInfo): readonly UpstreamRequest[] =>
  Object.entries(upstream ?? {}).flatMap(([backend, { id, state, details, jobs }]) =>
    (jobs ?? [{ id, purpose: 'order', state, details }]).map((job) => ({ ...job, backend })),
  );

const detailsText = ({ details }: Pick<UpstreamRequest, 'details'>): string =>
  Object.entries(details)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

export const upstreamColumns: readonly Column<UpstreamRequest>[] = [
  { head: 'BACKEND', text: ({ backend }) => backend },
  { head: 'REQUEST', text: ({ id }) => id },
  { head: 'FOR', text: ({ purpose }) => purpose },
  { head: 'STATE', text: ({ state }) => state },
  { head: 'DETAILS', text: detailsText },
];

export const requestColumns: readonly Column<StandingRequest>[] = [
  { head: 'BACKEND', text: ({ backend }) => backend },
  { head: 'REQUEST', text: ({ id }) => id },
  { head: 'ORDER', text: ({ orderId }) => orderId ?? 'none of here' },
  { head: 'STATE', text: ({ state }) => state },
  { head: 'DETAILS', text: detailsText },
];

export const deliveryColumns: readonly Column<DeliveryInfo>[] = [
  { head: 'DELIVERY', text: ({ id }) => id, align: 'right' },
  { head: 'STATE', text: ({ state, round }) => (round === 0 ? state : `${state} (${round + 1})`) },
  { head: 'SIZE', text: ({ bytes }) => humanSize(bytes), align: 'right' },
  { head: 'SOURCE', text: ({ sourceCheck }) => sourceCheck },
  { head: 'TARGET', text: ({ targetCheck }) => targetCheck },
  { head: 'TRIES', text: ({ attempts }) => attempts, align: 'right' },
  { head: 'SENT TO', text: ({ published }) => (published === 0 ? null : published), align: 'right' },
  { head: 'UPDATED', text: ({ updatedAt }) => humanTime(updatedAt) },
  { head: 'PRODUCT', text: ({ ref }) => writtenRef(ref) },
  { head: 'CAUSE', text: ({ cause }) => cause },
];

export const deliveryFields: readonly Column<DeliveryInfo>[] = [
  { head: 'delivery', text: ({ id }) => id },
  { head: 'order', text: ({ orderID }) => orderID },
  { head: 'product', text: ({ ref }) => writtenRef(ref) },
  { head: 'revision', text: ({ revision }) => revision },
  { head: 'state', text: ({ state }) => state },
  { head: 'round', text: ({ round }) => round + 1 },
  { head: 'cause', text: ({ cause }) => cause },
  { head: 'file', text: ({ filename }) => filename },
  { head: 'location', text: ({ location }) => location },
  { head: 'size', text: ({ bytes }) => humanSize(bytes) },
  { head: 'sha-256', text: ({ checksum }) => checksum },
  { head: 'source check', text: ({ sourceCheck }) => sourceCheck },
  { head: 'target check', text: ({ targetCheck }) => targetCheck },
  { head: 'attempts', text: ({ attempts }) => attempts },
  { head: 'sent to', text: ({ published }) => (published === 0 ? null : `${published} subscribers`) },
  { head: 'next attempt', text: ({ nextAttemptAt }) => humanTime(nextAttemptAt) },
  { head: 'updated', text: ({ updatedAt }) => humanTime(updatedAt) },
];

export const attemptColumns: readonly Column<AttemptInfo>[] = [
  { head: 'STARTED', text: ({ startedAt }) => humanTime(startedAt) },
  { head: 'ENDED', text: ({ endedAt }) => humanTime(endedAt) },
  { head: 'ROUND', text: ({ round }) => round + 1, align: 'right' },
  { head: 'SIZE', text: ({ bytes }) => humanSize(bytes), align: 'right' },
  { head: 'WHERE', text: ({ remotePath }) => remotePath },
  { head: 'CLASS', text: ({ errorClass }) => errorClass },
  { head: 'ERROR', text: ({ error }) => error },
];
