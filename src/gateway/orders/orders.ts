import { type Kysely, sql } from 'kysely';
import { encodeJson } from '../../mal/index.js';
import { encodeTree } from '../../mpd/filter/index.js';
import { invalid, MpdError, orderFailed, ProductFilter, unknown } from '../../mpd/index.js';
import { denied, isOperator, requireOperator } from '../access/access.js';
import type { BackfillRequest, NamedFilters, OrderRequest, Orders, Principal } from '../api.js';
import type { Form } from '../backend.js';
import type { Backends } from '../backends.js';
import { groupsOf } from '../catalogue/groups.js';
import { appendEvents } from '../events/append.js';
import { formsFor, requireForm } from '../forms.js';
import type { CoreTables } from '../schema.js';
import type { Targets } from '../targets.js';
import { domainText } from '../values.js';
import type { ForeignOrders } from './foreign.js';
import { recordHistory } from './history.js';
import { holdQueued, releaseHeld, withdrawPending } from './hold.js';
import { lockOrders } from './live.js';
import { awaitingPast, backendsOfPast } from './past.js';
import { matchesRequestedDomain, orderInfo, selectOrders } from './read.js';
import { checkBackfill, validateOrder } from './validate.js';
import { availabilityWarning } from './warn.js';

export interface OrderDependencies {
  readonly db: Kysely<CoreTables>;
  readonly backends: Backends;
  readonly targets: Targets;
  readonly filters: NamedFilters;
  readonly deadlineSeconds: number;
  /** Standing orders of one principal that are not ended. */
  readonly quota: (principal: string) => number;
  readonly foreign: ForeignOrders;
  /** Woken when a backfill or an upstream request waits. */
  readonly wake: () => void;
}

const ENDED = ['cancelled', 'expired', 'done'] as const;

export function createOrders(deps: OrderDependencies): Orders {
  const { db, targets, backends } = deps;

  const visible = async (orderID: bigint, principal: Principal) => {
    const row = await db
      .selectFrom('standing_order')
      .select(['id', 'owner', 'state', 'kind', 'method'])
      .where('id', '=', orderID)
      .executeTakeFirst();
    if (!row || (row.owner !== principal.id && !isOperator(principal) && !principal.assertsUser))
      throw noSuchOrder(orderID);
    return row;
  };

  /** Checks the state under the lock and sets another; what else happens is `then`. */
  const change = async (
    orderID: bigint,
    principal: Principal,
    action: string,
    from: readonly string[],
    set: Partial<{ state: 'active' | 'paused' | 'cancelled'; pause_policy: 'hold' | 'skip' }>,
    detail: string | null,
    then: (tx: Kysely<CoreTables>) => Promise<void>,
  ) => {
    await visible(orderID, principal);
    await db.transaction().execute(async (tx) => {
      await lockOrders(tx);
      const { state } = await tx
        .selectFrom('standing_order')
        .select('state')
        .where('id', '=', orderID)
        .forUpdate()
        .executeTakeFirstOrThrow();
      if (state === set.state) return;
      if (!from.includes(state)) throw wrongState(orderID, action, state);
      await tx
        .updateTable('standing_order')
        .set({ ...set, updated_at: sql<Date>`now()` })
        .where('id', '=', orderID)
        .execute();
      await then(tx);
      await recordHistory(tx, orderID, principal.id, action, detail);
    });
    deps.wake();
  };

  const window = async (orderID: bigint, request: BackfillRequest, again: boolean, principal: Principal) => {
    const order = await visible(orderID, principal);
    checkBackfill(request, again ? 'replay' : 'backfill');
    if (order.kind !== 'standing')
      throw invalid('orderID', 'an order of kind once has no window to go back over; redrive its deliveries');
    if (order.state === 'cancelled') throw wrongState(orderID, again ? 'replayed' : 'backfilled', order.state);
    const job = await db.transaction().execute(async (tx) => {
      const row = await insertBackfill(tx, orderID, request, again);
      await recordHistory(tx, orderID, principal.id, again ? 'replay' : 'backfill', describeWindow(request));
      return row;
    });
    deps.wake();
    return { job };
  };

  return {
    async submit(request, principal) {
      const { owner, tree } = await validateOrder(request, principal, deps.filters, groupsOf(backends));
      if (request.form != null) checkForm(request.form, request.deliveryMethod, formsFor(backends.all, tree));
      const validity = request.validityPeriod ?? null;
      const past = backendsOfPast(backends.all, tree, validity, BigInt(Date.now()) * 1_000_000n);
      for (const { upstream } of past)
        await upstream?.check?.({ user: owner, filter: tree, validity, readsPast: true });
      const upstream = awaitingPast(past);
      const warnings: string[] = [];
      const accepted = request.deliverTo === null ? null : targets.accept(request.deliverTo);
      if (accepted !== null) {
        const probe = await targets.probe(accepted.destination, AbortSignal.timeout(20_000));
        if (probe.status === 'refused') throw orderFailed(probe.reason);
        if (probe.status === 'notYet') {
          if (!request.acceptUnreachable)
            throw orderFailed(`${probe.reason}; submit with acceptUnreachable to order all the same`);
          warnings.push(`the target cannot be reached yet: ${probe.reason}`);
        }
      }
      const nothing = await availabilityWarning(backends, request.productFilter);
      if (nothing) warnings.push(nothing);
      const warning = warnings.length > 0 ? warnings.join('; ') : null;
      const { id } = await db
        .selectNoFrom(sql<bigint>`nextval(pg_get_serial_sequence('standing_order', 'id'))`.as('id'))
        .executeTakeFirstOrThrow();
      await db.transaction().execute(async (tx) => {
        await lockOrders(tx);
        await checkQuota(tx, owner, deps.quota(owner));
        await checkOwner(tx, owner, principal);
        await sql`
          insert into standing_order (id, kind, owner, state, method, deliver_to, secret, filter, tree, domain, valid_start_ns,
            valid_end_ns, comments, pause_policy, on_bad_source, overwrite, path_template, form, deadline_s, retain_last,
            retain_s, warning, upstream)
          overriding system value
          values (${id}, 'standing', ${owner}, 'active', ${request.deliveryMethod}, ${accepted?.deliverTo ?? null}, ${accepted?.secret ?? null},
            ${request.productFilter && JSON.stringify(encodeJson(ProductFilter, request.productFilter))}::jsonb,
            ${tree && JSON.stringify(encodeTree(tree))}::jsonb,
            ${request.productFilter?.domain ? domainText(request.productFilter.domain) : null},
            ${request.validityPeriod?.start ?? null}, ${request.validityPeriod?.end ?? null}, ${request.comments},
            ${request.pausePolicy ?? 'hold'}, ${request.onBadSource ?? 'deliver-flagged'}, ${request.overwrite ?? true},
            ${request.pathTemplate ?? null}, ${request.form ?? null}, ${request.deadlineSeconds ?? deps.deadlineSeconds},
            ${request.retain?.last ?? null}, ${request.retain?.seconds ?? null}, ${warning}, ${upstream && JSON.stringify(upstream)}::jsonb)`.execute(
          tx,
        );
        await recordHistory(tx, id, principal.id, 'submitted', warning);
        if (warning) await appendEvents(tx, [warningEvent(id, owner, warning)]);
        if (request.backfill) {
          await insertBackfill(tx, id, request.backfill, false);
          await recordHistory(tx, id, principal.id, 'backfill', describeWindow(request.backfill));
        }
      });
      deps.wake();
      return { orderID: id, warning };
    },

    async list({ user, domain, states, after, limit }, principal) {
      let query = selectOrders(db).where('o.kind', '=', 'standing').orderBy('o.id');
      if (!isOperator(principal) && !principal.assertsUser) query = query.where('o.owner', '=', principal.id);
      if (user !== null && user !== '*') query = query.where('o.owner', '=', user);
      query = query.where('o.state', 'in', states ?? ['active', 'paused', 'suspended']);
      if (after !== undefined) query = query.where('o.id', '>', after);
      if (domain === null && limit !== undefined) query = query.limit(limit);
      const rows = await query.execute();
      const found = domain === null ? rows : rows.filter((row) => matchesRequestedDomain(row.domain, domain));
      return found.slice(0, limit).map(orderInfo);
    },

    async get(orderID, principal) {
      await visible(orderID, principal);
      const row = await selectOrders(db).where('o.id', '=', orderID).executeTakeFirstOrThrow();
      const history = await db
        .selectFrom('order_history')
        .select(['at', 'actor', 'action', 'detail'])
        .where('order_id', '=', orderID)
        .orderBy('id')
        .execute();
      return {
        ...orderInfo(row),
        history: history.map(({ at, ...entry }) => ({ at: BigInt(at.getTime()) * 1_000_000n, ...entry })),
      };
    },

    cancel: (orderID, principal) =>
      change(
        orderID,
        principal,
        'cancelled',
        ['active', 'paused', 'suspended', 'expired'],
        { state: 'cancelled' },
        null,
        (tx) => withdrawPending(tx, orderID, 'the order was cancelled'),
      ),

    async pause(orderID, policy, principal) {
      const set = policy === null ? {} : { pause_policy: policy };
      await change(orderID, principal, 'paused', ['active'], { state: 'paused', ...set }, policy, (tx) =>
        holdQueued(tx, [orderID]),
      );
      return this.get(orderID, principal);
    },

    async resume(orderID, principal) {
      await change(orderID, principal, 'resumed', ['paused'], { state: 'active' }, null, (tx) =>
        releaseHeld(tx, [orderID]),
      );
      return this.get(orderID, principal);
    },

    replay: (orderID, request, principal) => window(orderID, request, true, principal),
    backfill: (orderID, request, principal) => window(orderID, request, false, principal),

    async upstream(principal) {
      requireOperator(principal, 'the list of upstream jobs');
      const lists = backends.all.map(async (backend) =>
        ((await backend.upstream?.list()) ?? []).map((status) => ({ ...status, backend: backend.id })),
      );
      return (await Promise.all(lists)).flat();
    },

    foreign: (query, principal) => (isOperator(principal) ? deps.foreign.list(query) : []),
  };
}

function checkForm(name: string, method: OrderRequest['deliveryMethod'], forms: readonly Form[]): void {
  if (method !== 'FILETRANSFER') throw invalid('form', 'is for files only: ask for the form when you fetch a body');
  requireForm(name, forms, 'form');
}

const insertBackfill = async (
  tx: Kysely<CoreTables>,
  orderId: bigint,
  request: BackfillRequest,
  again: boolean,
): Promise<bigint> => {
  const row = await tx
    .insertInto('backfill')
    .values({
      order_id: orderId,
      axis: request.axis,
      from_ns: request.from,
      to_ns: request.to,
      again,
      after_id: 0n,
      matched: 0n,
      state: 'running',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
};

async function checkQuota(tx: Kysely<CoreTables>, owner: string, quota: number): Promise<void> {
  const { count } = await tx
    .selectFrom('standing_order')
    .select((eb) => eb.fn.countAll<bigint>().as('count'))
    .where('owner', '=', owner)
    .where('kind', '=', 'standing')
    .where('state', 'not in', ENDED)
    .executeTakeFirstOrThrow();
  if (count >= BigInt(quota))
    throw orderFailed(`${owner} has ${count} standing orders, the quota is ${quota}; cancel one first`);
}

/** A user that a trusted network names for the first time becomes a principal under the policy of the one that named it. */
async function checkOwner(tx: Kysely<CoreTables>, owner: string, { policy }: Principal): Promise<void> {
  const row = await tx.selectFrom('principal').select('disabled').where('id', '=', owner).executeTakeFirst();
  if (!row) {
    await tx
      .insertInto('principal')
      .values({
        id: owner,
        role: 'consumer',
        policy: policy && JSON.stringify(encodeTree(policy)),
        disabled: false,
        origin: 'store',
      })
      .execute();
    return;
  }
  if (row.disabled) throw denied('Authorisation Fail', `user: ${owner} is disabled`);
}

const warningEvent = (orderId: bigint, owner: string, reason: string) =>
  ({ type: 'warning', orderId, owner, domain: null, journalId: null, deliveryId: null, payload: { reason } }) as const;

const describeWindow = ({ axis, from, to }: BackfillRequest): string => `${axis} ${from ?? '..'}/${to ?? '..'}`;

export const noSuchOrder = (orderID: bigint): MpdError => unknown(orderID, `there is no order ${orderID}`);

const wrongState = (orderID: bigint, action: string, state: string): MpdError =>
  new MpdError('Incorrect State', {
    class: 'refuse',
    message: `order ${orderID} is ${state} and cannot be ${action}`,
    extraInformation: state,
  });
