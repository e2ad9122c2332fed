import { type Kysely, sql } from 'kysely';
import type { Upstream, UpstreamJob, UpstreamOrder, UpstreamStatus } from '../../src/gateway/backend.js';
import { floorToMs } from '../../src/mal/index.js';
import { compileTree, type FilterTree } from '../../src/mpd/filter/index.js';
import { invalid, MpdError, orderFailed, unknown } from '../../src/mpd/index.js';
import { withRetry } from '../../src/store/index.js';
import type { EddsIndex } from './catalogue.js';
import { nsOf } from './duration.js';
import { type EntryContext, entryOf, iso, type ProductRow } from './entry.js';
import { type JobRow, plannedJob } from './job.js';
import { pastTimes, pastWindow, planPast, requestsFor } from './past.js';
import type { Placing } from './placing.js';
import { ruleOf } from './request.js';
import type { EddsService } from './service.js';
import type { EddsTables } from './tables.js';

export interface UpstreamOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly context: EntryContext;
  readonly index: EddsIndex;
  readonly service: EddsService;
  readonly clock: () => bigint;
  /** Longest stretch of time that one request for the past may cover, ms. */
  readonly maxWindow: number;
  readonly partSeconds: number;
  /** Of recurring requests, ms. */
  readonly period: number;
  /** How much later than it is due EDDS may make a part, ms. */
  readonly lag: number;
  readonly placing: Placing;
  /** Jobs are waiting to be submitted or cancelled. */
  readonly wake: () => void;
}

/**
 * Turns orders into jobs: one for each catalogue entry (packet kind, command, parameter) that an order's filter accepts,
 * shared by all orders that want it. So each part carries the attributes of its one kind, the exact filter decides on it
 * like on any product, and no order gets the same packet twice. What an order's validity covers of the past is asked for
 * beside that, for this order alone (`past.ts`). Planning only: `jobs.ts` submits and follows.
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

  /** Whether a stream or recurring request has brought all up to this time. */
  const hasCome = (job: JobRow, until: bigint | null): boolean => {
    if (until === null || job.purpose === 'past' || job.purpose === 'fill') return false;
    const lag = nsOf(options.lag);
    // A run of a recurring request leaves a part also when it found nothing, and says exactly how far it went.
    if (job.purpose === 'schedule' && job.covered_ns >= until) return true;
    if (job.purpose === 'schedule' && service.profile.whenEmpty === 'part') return false;
    const span = job.purpose === 'stream' ? options.partSeconds * 1000 : options.period;
    return job.covered_ns >= until + lag || (job.looked_ns ?? 0n) >= until + 2n * nsOf(span) + lag;
  };

  const wantedBy = async (filter: FilterTree | null): Promise<readonly ProductRow[]> =>
    wantedSelections(await index.selections(), filter, context, service);

  return {
    readsPast: true,

    async check({ filter, validity }): Promise<void> {
      if (validity === null) return;
      const now = clock();
      let requests = 0;
      for (const row of await wantedBy(filter)) {
        const window = pastWindow(row, validity, now);
        if (window !== null) requests += requestsFor(window, options.maxWindow);
      }
      if (requests > limits.orderJobs) {
        throw invalid(
          'validityPeriod',
          `its part in the past needs ${requests} requests at EDDS, each for one kind of data and at most ${Math.round(options.maxWindow / 3_600_000)} hours; at most ${limits.orderJobs} are allowed: shorten it or narrow the filter`,
        );
      }
    },

    async ensure(order: UpstreamOrder): Promise<string> {
      const id = String(order.orderId);
      const { validity } = order;
      const now = floorToMs(clock());
      if (validity !== null && validity.start > now) return `order-${id}`;
      const wanted = await wantedBy(order.filter);
      if (order.readsPast && wanted.length === 0) await requireCatalogue(db, backend);
      if (wanted.length > limits.orderJobs) {
        throw orderFailed(
          `the filter accepts ${wanted.length} kinds of data; at most ${limits.orderJobs} requests may run at EDDS: narrow it`,
        );
      }
      const over = validity !== null && validity.end < now;
      // What has to be compared cannot be sent by EDDS, so of an order for the past alone nothing is.
      const places =
        !over &&
        (await placing.decide(
          order,
          wanted.map((row) => (ruleOf(service.profile, row).rule.stream === undefined ? 'batch' : 'stream')),
          wanted.map((row) => entryOf(context, row).metadata),
        ));
      const added = await withRetry(db, async (trx) => {
        await sql`select pg_advisory_xact_lock(hashtextextended(${`edds:${backend}`}, 0))`.execute(trx);
        const until_ns = validity?.end ?? null;
        const known = { until_ns, past: order.readsPast === true };
        await trx
          .insertInto('edds_order')
          .values({ backend, order_id: id, ...known })
          .onConflict((conflict) => conflict.columns(['backend', 'order_id']).doUpdateSet(known))
          .execute();
        const past = order.readsPast && validity !== null ? { id, validity } : null;
        if (over) {
          let planned = 0;
          for (const row of past === null ? [] : wanted)
            if (await planPast(trx, backend, past!, row, null, now)) planned++;
          return planned;
        }
        const live = await trx
          .selectFrom('edds_job')
          .selectAll()
          .where('backend', '=', backend)
          .where('done', '=', false)
          .where('purpose', 'in', ['stream', 'schedule'])
          .forUpdate()
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
        // An order that was submitted before its validity began wants all from there on.
        const begin = past === null && validity !== null ? floorToMs(validity.start) : now;
        for (const row of wanted) {
          let job = bySelection.get(row.key);
          if (job === undefined) {
            const { rule } = ruleOf(service.profile, row);
            job = await trx
              .insertInto('edds_job')
              .values(
                plannedJob({
                  backend,
                  selection: row.key,
                  purpose: rule.stream === undefined ? 'schedule' : 'stream',
                  orders: [id],
                  begin_ns: begin,
                  end_ns: null,
                  made_for: places ? id : null,
                }),
              )
              .returningAll()
              .executeTakeFirstOrThrow();
          } else if (!job.orders.includes(id)) {
            await trx
              .updateTable('edds_job')
              .set({ orders: JSON.stringify([...job.orders, id]) })
              .where('id', '=', job.id)
              .execute();
          }
          if (past !== null) await planPast(trx, backend, past, row, job, now);
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
      const all = await jobsOf(orderId);
      const jobs = all.filter((job) => job.purpose !== 'fill');
      const current = jobs.filter(({ done }) => !done);
      const shown = current[0] ?? jobs.at(-1);
      const byGateway = await placing.reason(orderId);
      const states = [...new Set(current.map(({ state }) => state))];
      const past = jobs.filter((job) => job.purpose === 'past');
      const order = await db
        .selectFrom('edds_order')
        .select(['past', 'until_ns'])
        .where('backend', '=', backend)
        .where('order_id', '=', orderId)
        .executeTakeFirst();
      const done = order?.past === true && all.every((job) => job.done || hasCome(job, order.until_ns));
      return {
        id,
        orderId: BigInt(orderId),
        state:
          states.length === 0
            ? done
              ? 'done'
              : order === undefined
                ? 'waiting'
                : 'idle'
            : states.length === 1
              ? states[0]!
              : 'mixed',
        ...(order?.past !== false && { done }),
        jobs: [...current, ...jobs.filter((job) => job.done).slice(-SHOWN)].map(shownJob),
        details: {
          ...(shown?.details ?? {}),
          ...(order?.past && { Past: pastText(past) }),
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
        .select(['request_id', 'orders', 'purpose'])
        .where('backend', '=', backend)
        .where('request_id', 'is not', null)
        .execute();
      const jobs = new Map(ours.map((job) => [job.request_id, job]));
      return remote.map(({ requestId, state, details }) => {
        const job = jobs.get(requestId);
        const [order] = job?.orders ?? [];
        return {
          ...{ id: requestId, state, orderId: order === undefined ? null : BigInt(order) },
          details: { ...details, ...(job && { Purpose: job.purpose, Orders: job.orders.join(', ') || null }) },
        };
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

/** Ended requests that the state of an order still shows. */
const SHOWN = 50;

/** Until the catalogue was read nobody knows what an order wants. */
async function requireCatalogue(db: Kysely<EddsTables>, backend: string): Promise<void> {
  const state = await db.selectFrom('edds_state').select('read_at').where('backend', '=', backend).executeTakeFirst();
  if (!state?.read_at)
    throw new MpdError('Internal', { class: 'retry', message: 'the catalogue of EDDS was not read yet' });
}

function shownJob(job: JobRow): UpstreamJob {
  const past = job.purpose === 'past';
  return {
    id: job.request_id ?? job.name,
    purpose: job.purpose,
    state: job.state,
    details: {
      ...job.details,
      ...(past && { Window: job.end_ns === null ? `from ${iso(job.begin_ns)}` : windowText(job) }),
      Selection: job.selection,
      Parts: String(job.parts),
      Elements: String(job.elements),
    },
  };
}

function windowText(job: JobRow): string {
  const { begin, end } = pastTimes(job);
  return `${iso(begin)}/${iso(end)}`;
}

/** How far the past of an order is, in words. */
function pastText(past: readonly JobRow[]): string {
  if (past.length === 0) return 'EDDS holds no data of that time';
  const elements = past.reduce((sum, job) => sum + job.elements, 0n);
  const done = past.filter((job) => job.done).length;
  if (done < past.length) return `${done} of ${past.length} requests done, ${elements} elements so far`;
  return `${done} requests done, ${elements === 0n ? 'EDDS holds no data of that time' : `${elements} elements`}`;
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
  'fault',
  'request',
  'count',
]);
