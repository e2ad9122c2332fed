import { type Kysely, sql } from 'kysely';
import type { Upstream, UpstreamOrder, UpstreamStatus } from '../../src/gateway/backend.js';
import { floorToMs } from '../../src/mal/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { invalid, MpdError, orderFailed, unknown } from '../../src/mpd/index.js';
import { withRetry } from '../../src/store/index.js';
import type { EddsIndex } from './catalogue.js';
import { nsOf } from './duration.js';
import { type EntryContext, entryOf, type ProductRow } from './entry.js';
import { type JobRow, plannedJob } from './job.js';
import { orderStatus } from './order-status.js';
import { pastWindow, planPast, requestsFor } from './past.js';
import type { Placing } from './placing.js';
import { ruleOf } from './request.js';
import type { EddsService } from './service.js';
import type { EddsTables } from './tables.js';
import { wantedSelections } from './wanted.js';

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
 * beside that, for this order alone (`past.ts`). Planning only: `jobs.ts` carries them along.
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
      const jobs = await jobsOf(orderId);
      const order = await db
        .selectFrom('edds_order')
        .select(['past', 'until_ns'])
        .where('backend', '=', backend)
        .where('order_id', '=', orderId)
        .executeTakeFirst();
      const done = order?.past === true && jobs.every((job) => job.done || hasCome(job, order.until_ns));
      return orderStatus({ id, orderId, jobs, past: order?.past, done, byGateway: await placing.reason(orderId) });
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

/** Until the catalogue was read nobody knows what an order wants. */
async function requireCatalogue(db: Kysely<EddsTables>, backend: string): Promise<void> {
  const state = await db.selectFrom('edds_state').select('read_at').where('backend', '=', backend).executeTakeFirst();
  if (!state?.read_at)
    throw new MpdError('Internal', { class: 'retry', message: 'the catalogue of EDDS was not read yet' });
}
