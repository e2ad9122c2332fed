import { type Kysely, type Selectable, sql } from 'kysely';
import type { Upstream, UpstreamOrder, UpstreamStatus } from '../../src/gateway/backend.js';
import { compileTree, type FilterTree } from '../../src/mpd/filter/index.js';
import { orderFailed, unknown } from '../../src/mpd/index.js';
import { withRetry } from '../../src/store/index.js';
import type { EddsIndex } from './catalogue.js';
import { type EntryContext, entryOf, type ProductRow } from './entry.js';
import type { Placing } from './placing.js';
import { ruleOf } from './request.js';
import type { EddsService } from './service.js';
import { requestName } from './submit.js';
import type { EddsTables, JobTable } from './tables.js';

export type JobRow = Selectable<JobTable>;

export interface UpstreamOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly context: EntryContext;
  readonly index: EddsIndex;
  readonly service: EddsService;
  readonly clock: () => bigint;
  readonly placing: Placing;
  /** Jobs are waiting to be submitted or cancelled. */
  readonly wake: () => void;
}

/**
 * Turns orders into jobs: one for each catalogue entry (packet kind, command, parameter) that an order's filter accepts,
 * shared by all orders that want it. So each part carries the attributes of its one kind, the exact filter decides on it
 * like on any product, and no order gets the same packet twice. Planning only: `jobs.ts` submits and follows.
 */
export function upstreamOf(options: UpstreamOptions): Upstream {
  const { db, backend, context, index, service, clock, placing } = options;
  const { limits } = service.profile;

  const jobsOf = (orderId: string): Promise<JobRow[]> =>
    db
      .selectFrom('edds_job')
      .selectAll()
      .where('backend', '=', backend)
      .where(sql<boolean>`orders @> ${JSON.stringify([orderId])}::jsonb`)
      .orderBy('id')
      .execute();

  return {
    async ensure(order: UpstreamOrder): Promise<string> {
      const id = String(order.orderId);
      const wanted = wantedSelections(await index.selections(), order.filter, context, service);
      if (wanted.length > limits.orderJobs) {
        throw orderFailed(
          `the filter accepts ${wanted.length} kinds of data; at most ${limits.orderJobs} requests may run at EDDS: narrow it`,
        );
      }
      const places = await placing.decide(
        order,
        wanted.map((row) => (ruleOf(service.profile, row).rule.stream === undefined ? 'batch' : 'stream')),
        wanted.map((row) => entryOf(context, row).metadata),
      );
      const added = await withRetry(db, async (trx) => {
        await sql`select pg_advisory_xact_lock(hashtextextended(${`edds:${backend}`}, 0))`.execute(trx);
        const until_ns = order.validity?.end ?? null;
        await trx
          .insertInto('edds_order')
          .values({ backend, order_id: id, until_ns })
          .onConflict((conflict) => conflict.columns(['backend', 'order_id']).doUpdateSet({ until_ns }))
          .execute();
        const live = await trx
          .selectFrom('edds_job')
          .selectAll()
          .where('backend', '=', backend)
          .where('done', '=', false)
          .where('purpose', '<>', 'fill')
          .execute();
        const jobFor = jobsFor(id, places, live);
        const bySelection = new Map(
          wanted.flatMap(({ key }) => (jobFor(key) === undefined ? [] : [[key, jobFor(key)!]])),
        );
        const fresh = wanted.filter((row) => !bySelection.has(row.key));
        if (live.length + fresh.length > limits.orderJobs) {
          throw orderFailed(
            `${live.length} requests of standing orders run at EDDS and ${fresh.length} more would be needed; at most ${limits.orderJobs} may run`,
          );
        }
        const now = (clock() / 1_000_000n) * 1_000_000n;
        for (const row of wanted) {
          const job = bySelection.get(row.key);
          if (job === undefined) {
            const { rule } = ruleOf(service.profile, row);
            await trx
              .insertInto('edds_job')
              .values({
                backend,
                selection: row.key,
                purpose: rule.stream === undefined ? 'schedule' : 'stream',
                name: requestName(),
                orders: JSON.stringify([id]),
                begin_ns: now,
                end_ns: null,
                submitted_ns: null,
                request_id: null,
                state: 'planned',
                details: '{}',
                parts: 0,
                covered_ns: now,
                done: false,
                made_for: places ? id : null,
              })
              .execute();
          } else if (!job.orders.includes(id)) {
            await trx
              .updateTable('edds_job')
              .set({ orders: JSON.stringify([...job.orders, id]) })
              .where('id', '=', job.id)
              .execute();
          }
        }
        return fresh.length;
      });
      if (added > 0) options.wake();
      return `order-${id}`;
    },

    async cancel(id: string): Promise<void> {
      await leaveJobs(db, backend, id.replace(/^order-/, ''));
      options.wake();
    },

    async status(id: string): Promise<UpstreamStatus> {
      const orderId = id.replace(/^order-/, '');
      if (!/^\d+$/.test(orderId)) throw unknown(null, `${id} is no order of this gateway`);
      const jobs = (await jobsOf(orderId)).filter((job) => job.purpose !== 'fill');
      const current = jobs.filter(({ done }) => !done);
      const shown = current[0] ?? jobs.at(-1);
      const byGateway = await placing.reason(orderId);
      const states = [...new Set(current.map(({ state }) => state))];
      return {
        id,
        orderId: BigInt(orderId),
        state: states.length === 0 ? 'idle' : states.length === 1 ? states[0]! : 'mixed',
        details: {
          ...(shown?.details ?? {}),
          Requests:
            current.map((job) => `${job.request_id ?? job.name}: ${job.details.State ?? job.state}`).join('; ') || null,
          ...(byGateway !== undefined && {
            Delivery: byGateway === null ? 'EDDS sends' : `the gateway sends: ${byGateway}`,
          }),
          Parts: String(jobs.reduce((sum, { parts }) => sum + parts, 0)),
        },
      };
    },

    /** Every job of the EDDS account, also those that others made. */
    async list(): Promise<readonly UpstreamStatus[]> {
      const signal = AbortSignal.timeout(60_000);
      const remote = await service.list(null, signal);
      const ours = await db
        .selectFrom('edds_job')
        .select(['request_id', 'orders'])
        .where('backend', '=', backend)
        .where('request_id', 'is not', null)
        .execute();
      const orders = new Map(ours.map((job) => [job.request_id, job.orders]));
      return remote.map(({ requestId, state, details }) => {
        const known = orders.get(requestId);
        return { id: requestId, state, orderId: known?.[0] === undefined ? null : BigInt(known[0]), details };
      });
    },
  };
}

/** The job that serves an order for a selection: its own, or one that orders share when EDDS is not to send to it by itself. */
function jobsFor(orderId: string, places: boolean, live: readonly JobRow[]): (selection: string) => JobRow | undefined {
  const own = new Map(live.filter((job) => job.made_for === orderId).map((job) => [job.selection, job]));
  const shared = new Map(live.filter((job) => job.made_for === null).map((job) => [job.selection, job]));
  return (selection) => {
    const common = shared.get(selection);
    const usable = !places || common?.orders.includes(orderId) === true;
    return own.get(selection) ?? (usable ? common : undefined);
  };
}

/** Takes an order off all jobs; those that no order wants any more are then cancelled. */
export async function leaveJobs(db: Kysely<EddsTables>, backend: string, orderId: string): Promise<void> {
  await db
    .updateTable('edds_job')
    .set({ orders: sql`orders - ${orderId}::text` })
    .where('backend', '=', backend)
    .where(sql<boolean>`orders @> ${JSON.stringify([orderId])}::jsonb`)
    .where('done', '=', false)
    .execute();
  await db.deleteFrom('edds_order').where('backend', '=', backend).where('order_id', '=', orderId).execute();
}

/** Takes off the orders whose validity has ended. */
export async function leaveExpired(db: Kysely<EddsTables>, backend: string, now: bigint): Promise<void> {
  const expired = await db
    .selectFrom('edds_order')
    .select('order_id')
    .where('backend', '=', backend)
    .where('until_ns', '<', now)
    .execute();
  for (const { order_id } of expired) await leaveJobs(db, backend, order_id);
}

/** Catalogue entries for which an order may want data; of types that are not files. */
function wantedSelections(
  rows: readonly ProductRow[],
  filter: FilterTree | null,
  context: EntryContext,
  service: EddsService,
): readonly ProductRow[] {
  const accepts = compileTree(filter === null ? null : relaxed(filter));
  return rows.filter((row) => {
    const { rule } = ruleOf(service.profile, row);
    const orderable = rule !== undefined && (rule.stream !== undefined || rule.batch !== undefined) && rule.forOrders;
    return orderable && accepts(entryOf(context, row).metadata, null);
  });
}

/** The filter without what only a finished part can tell: its times, name and counts. Accepts more, never less. */
export function relaxed(tree: FilterTree): FilterTree {
  if ('all' in tree) return { all: tree.all.map(relaxed) };
  if ('any' in tree) return { any: tree.any.map(relaxed) };
  if ('not' in tree) return depends(tree.not) ? { all: [] } : tree;
  if ('filter' in tree) {
    const attributeFilter = tree.filter.attributeFilter?.filter(({ name }) => !PART_ATTRIBUTES.has(name)) ?? null;
    return { filter: { ...tree.filter, attributeFilter } };
  }
  return depends(tree) ? { all: [] } : tree;
}

/** Whether a filter asks for what only a finished part can tell. */
export function depends(tree: FilterTree): boolean {
  if ('all' in tree) return tree.all.some(depends);
  if ('any' in tree) return tree.any.some(depends);
  if ('not' in tree) return depends(tree.not);
  if ('filter' in tree) return (tree.filter.attributeFilter ?? []).some(({ name }) => PART_ATTRIBUTES.has(name));
  return 'created' in tree || 'content' in tree || 'pathPrefix' in tree;
}

/** Attributes that parts have otherwise than the catalogue entry they come from. */
const PART_ATTRIBUTES: ReadonlySet<string> = new Set([
  'requestId',
  'part',
  'elements',
  'unreadable',
  'request',
  'count',
]);
