import { type Kysely, sql } from 'kysely';
import { decodeJson } from '../../mal/index.js';
import { decodeTree } from '../../mpd/filter/index.js';
import { ProductFilter } from '../../mpd/index.js';
import type { OrderInfo } from '../api.js';
import type { CoreTables } from '../schema.js';
import { domainOf, nsOfDate } from '../values.js';
import type { UpstreamState } from './past.js';

export const selectOrders = (db: Kysely<CoreTables>) =>
  db
    .selectFrom('standing_order as o')
    .selectAll('o')
    .select(
      sql<Record<string, number> | null>`(select jsonb_object_agg(state, n)
        from (select state, count(*) as n from delivery d where d.order_id = o.id group by state) s)`.as('counts'),
    );

type Row = Awaited<ReturnType<ReturnType<typeof selectOrders>['execute']>>[number];

export const retentionOf = ({
  retain_last: last,
  retain_s: seconds,
}: Pick<Row, 'retain_last' | 'retain_s'>): OrderInfo['retain'] =>
  last === null && seconds === null ? null : { last, seconds };

export function orderInfo(row: Row): OrderInfo {
  const { valid_start_ns: start, valid_end_ns: end } = row;
  return {
    order: {
      orderID: row.id,
      user: row.owner,
      productFilter: row.filter === null ? null : decodeJson(ProductFilter, row.filter),
      validityPeriod: start === null || end === null ? null : { start, end },
      deliveryMethod: row.method,
      deliverTo: row.deliver_to,
      comments: row.comments,
    },
    kind: row.kind,
    state: row.state,
    tree: row.tree === null ? null : decodeTree(row.tree),
    pausePolicy: row.pause_policy,
    onBadSource: row.on_bad_source,
    overwrite: row.overwrite,
    pathTemplate: row.path_template,
    form: row.form,
    deadlineSeconds: row.deadline_s,
    retain: retentionOf(row),
    warning: row.warning,
    createdAt: nsOfDate(row.created_at),
    updatedAt: nsOfDate(row.updated_at),
    counts: row.counts ?? {},
    upstream: upstreamInfo(row.upstream as UpstreamState | null),
  };
}

const upstreamInfo = (known: UpstreamState | null): OrderInfo['upstream'] =>
  known &&
  Object.fromEntries(
    Object.entries(known).map(([backend, { id, state, details, jobs }]) => [
      backend,
      { id, state, details, ...(jobs && { jobs }) },
    ]),
  );

/**
 * listStandingOrders: the requested domain is the pattern, the order's own domain is compared with it part by part up to the
 * first `*`; an order without a domain filter passes.
 */
export function matchesRequestedDomain(orderDomain: string | null, requested: readonly string[]): boolean {
  if (orderDomain === null) return true;
  const domain = domainOf(orderDomain);
  const wildcard = requested.indexOf('*');
  const length = wildcard < 0 ? requested.length : wildcard;
  if (wildcard < 0 ? domain.length !== length : domain.length < length) return false;
  return requested.slice(0, length).every((part, i) => part === domain[i]);
}
