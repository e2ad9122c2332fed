import {
  compileFilter,
  compileTree,
  expandGroups,
  type FilterTree,
  resolveNamed,
  type TypeGroup,
} from '../../mpd/filter/index.js';
import { invalid } from '../../mpd/index.js';
import { denied, isOperator } from '../access/access.js';
import { conjunction } from '../access/sight.js';
import type { NamedFilters, OrderRequest, Principal, Retention } from '../api.js';
import { resolverFor } from '../catalogue/filters.js';
import { checkPathTemplate } from '../delivery/path-template.js';
import { refuseNul, requireStorable } from '../values.js';

export interface CheckedOrder {
  readonly owner: string;
  /** What is matched: named filters and the members of type groups copied in. */
  readonly tree: FilterTree | null;
}

/**
 * Everything about an order that can be judged without its target (area 9, submitStandingOrder).
 * @throws MpdError Invalid naming the first bad field; Authorisation Fail for somebody else's order
 */
export async function validateOrder(
  request: OrderRequest,
  principal: Principal,
  filters: NamedFilters,
  groups: readonly TypeGroup[],
): Promise<CheckedOrder> {
  const owner = request.user ?? principal.id;
  if (owner === '') throw invalid('user', 'must not be empty');
  if (owner !== principal.id && !isOperator(principal) && !principal.assertsUser)
    throw denied('Authorisation Fail', `user: ${principal.id} may not order for ${owner}`);
  for (const name of ['user', 'productFilter', 'tree', 'deliverTo', 'comments', 'pathTemplate'] as const)
    refuseNul(request[name], name);
  compileFilter(request.productFilter, 'productFilter');
  if (request.tree != null) compileLimits(request.tree);
  const { validityPeriod: validity, deliveryMethod: method, deliverTo } = request;
  if (validity && validity.end < validity.start) throw invalid('validityPeriod', 'the period ends before it starts');
  if (method === 'FILETRANSFER' && !deliverTo)
    throw invalid('deliverTo', 'is needed when deliveryMethod is FILETRANSFER');
  if (method !== 'FILETRANSFER' && deliverTo !== null)
    throw invalid('deliverTo', `must be NULL when deliveryMethod is ${method}`);
  if (
    request.deadlineSeconds !== undefined &&
    !(request.deadlineSeconds >= 1 && request.deadlineSeconds <= 10 * 365 * 86_400)
  )
    throw invalid('deadlineSeconds', 'must be from 1 to 315360000');
  if (request.pathTemplate != null) checkPathTemplate(request.pathTemplate);
  if (request.retain != null) checkRetention(request.retain);
  if (request.backfill) checkBackfill(request.backfill, 'backfill');
  const asked = conjunction(request.productFilter && { filter: request.productFilter }, request.tree ?? null);
  const named = asked && (await resolveNamed(asked, resolverFor(filters, principal)));
  const tree = named && expandGroups(named, groups);
  if (tree) requireStorable(tree, 'filter');
  compileTree(tree);
  return { owner, tree };
}

/** Names are still open here: only size, depth and shape are judged. */
function compileLimits(tree: FilterTree): void {
  compileTree(withoutNames(tree), 'tree');
}

function withoutNames(tree: FilterTree): FilterTree {
  if ('named' in tree) return { all: [] };
  if ('all' in tree) return { all: tree.all.map(withoutNames) };
  if ('any' in tree) return { any: tree.any.map(withoutNames) };
  return 'not' in tree ? { not: withoutNames(tree.not) } : tree;
}

/** Most notifications that an order keeps. */
const MOST_KEPT = 1000;

function checkRetention({ last, seconds }: Retention): void {
  if (last === null && seconds === null) throw invalid('retain', 'needs last, seconds, or both');
  if (last !== null && !(Number.isInteger(last) && last >= 1 && last <= MOST_KEPT))
    throw invalid('retain.last', `must be from 1 to ${MOST_KEPT}`);
  if (seconds !== null && !(Number.isInteger(seconds) && seconds >= 1 && seconds <= 10 * 365 * 86_400))
    throw invalid('retain.seconds', 'must be from 1 to 315360000');
}

export function checkBackfill(
  window: { readonly axis: string; readonly from: bigint | null; readonly to: bigint | null },
  field: string,
): void {
  if (!['available', 'created', 'content'].includes(window.axis))
    throw invalid(`${field}.axis`, 'must be available, created or content');
  if (window.from !== null && window.to !== null && window.to < window.from)
    throw invalid(field, 'the window ends before it starts');
}
