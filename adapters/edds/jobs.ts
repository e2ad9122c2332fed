import { createReadStream } from 'node:fs';
import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { elementTime, parseRequestId, problemText, responseReader } from '../../src/formats/edds-response/index.js';
import { formatMillis } from '../../src/formats/time.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { Arrivals, ArrivedPart } from './arrivals.js';
import type { FileCache } from './cache.js';
import type { EddsIndex } from './catalogue.js';
import { comparison } from './compare.js';
import { nsOf } from './duration.js';
import type { ProductRow } from './entry.js';
import { means } from './fault.js';
import { type JobRow, plannedJob } from './job.js';
import { repeated, without } from './overlap.js';
import { fetchPart, partKey, type StoredPart } from './parts.js';
import { cutPast, endPast, ordersOfOpenPast, pastTimes } from './past.js';
import type { Placing } from './placing.js';
import { filterOf, ruleOf } from './request.js';
import { seam } from './seam.js';
import type { EddsService, JobStatus, Neutral } from './service.js';
import type { TypeRule } from './site.js';
import { ForeignRequest, requestName, type Submission, type Submitter } from './submit.js';
import type { EddsTables } from './tables.js';

export interface JobsOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly service: EddsService;
  readonly submitter: Submitter;
  readonly cache: FileCache;
  readonly index: EddsIndex;
  readonly clock: () => bigint;
  readonly log: Logger;
  readonly partSeconds: number;
  /** ms */
  readonly period: number;
  /** How far before the end of a stream its successor looks back, ms. */
  readonly overlap: number;
  /** Longest stretch of time that one request for the past may cover, ms. */
  readonly maxWindow: number;
  /** How much later than it is due EDDS may make a part, ms. */
  readonly lag: number;
  /** How long files that EDDS sends may come late, ms. */
  readonly arrival: number;
  readonly placing: Placing;
  readonly arrivals: Arrivals;
}

/**
 * Carries the jobs of standing orders along: submits what is planned, takes every new part, renews what ended while it is
 * still wanted, filling the time between by a batch over creation times, and cancels what nobody wants any more. Run by
 * one gateway at a time.
 */
export function jobKeeper(options: JobsOptions) {
  const { db, backend, service, submitter, cache, index, clock, log, placing, arrivals } = options;

  const update = (job: JobRow, set: Record<string, unknown>) =>
    db.updateTable('edds_job').set(set).where('id', '=', job.id).execute();

  const fail = (job: JobRow, error: unknown) =>
    update(job, {
      state: 'failed',
      // Refused is not lost: there is nothing to look for.
      ...(isMpdError(error) && (error.class === 'refuse' || error.class === 'fatal') && { submitted_ns: null }),
      details: JSON.stringify({
        ...job.details,
        State: 'not accepted',
        Error: isMpdError(error) ? error.code : 'Internal',
        Reason: (error as Error).message,
      }),
    });

  const submit = async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    const { rule } = ruleOf(service.profile, row);
    const filter = filterOf(rule, row);
    const sentAt = job.submitted_ns;
    const kind: Submission['kind'] = job.purpose === 'stream' ? 'stream' : 'batch';
    // What has to be compared with what came before cannot be sent by EDDS.
    const own = job.purpose === 'fill' || job.purpose === 'past' ? null : job.made_for;
    const server = own === null ? null : await placing.request(own, kind);
    if (sentAt !== null && job.placed !== (server !== null)) {
      await update(job, { name: requestName(), submitted_ns: null, placed: false });
      return;
    }
    if (sentAt === null) await update(job, { submitted_ns: clock(), placed: server !== null });
    const values = { ...filter, ...server?.values };
    const submission =
      kind === 'stream'
        ? { kind, dataType: rule.stream!, values: { ...values, partSeconds: options.partSeconds } }
        : { kind, dataType: rule.batch!, values: { ...values, ...batchTimes(job, rule, options.period) } };
    const requestId = await submitter
      .submit({ ...submission, name: job.name, sentAt }, signal)
      .catch(async (error: unknown) => {
        if (server === null) throw error;
        const reason = server.scrub((error as Error).message);
        if (!isMpdError(error) || (error.class !== 'refuse' && error.class !== 'fatal'))
          throw new MpdError('Internal', { class: isMpdError(error) ? error.class : 'retry', message: reason });
        await placing.failed(own!, `EDDS refused to send: ${reason}`);
        await update(job, { submitted_ns: null, placed: false });
        return null;
      });
    if (requestId === null) return;
    const startedAt = parseRequestId(requestId)?.submittedAt ?? clock();
    await db.transaction().execute(async (trx) => {
      const started = job.purpose === 'stream' ? { begin_ns: startedAt, covered_ns: startedAt } : {};
      const now = await trx
        .updateTable('edds_job')
        .set({ request_id: requestId, state: 'submitted', details: '{}', ...started })
        .where('id', '=', job.id)
        .returning('orders')
        .executeTakeFirstOrThrow();
      if (job.purpose !== 'stream') return;
      const apart = await ordersOfOpenPast(trx, job);
      await endPast(trx, job, startedAt);
      const orders = now.orders.filter((order) => !apart.has(order));
      if (rule.creation !== undefined && job.covered_ns < startedAt && orders.length > 0)
        await planFill(trx, { ...job, orders }, startedAt);
    });
    log.info({ requestId, selection: job.selection, purpose: job.purpose }, 'EDDS works for standing orders');
  };

  /** What was created between two streams, or between the order and the start of its stream. */
  const planFill = (trx: Kysely<EddsTables>, job: JobRow, end: bigint) =>
    trx
      .insertInto('edds_job')
      .values(plannedJob({ ...job, purpose: 'fill', begin_ns: job.covered_ns, end_ns: end }))
      .execute();

  const compare = comparison(options);
  const meeting = seam({
    ...{ db, backend, clock, compare },
    overlap: nsOf(options.overlap),
    partSeconds: options.partSeconds,
    lag: nsOf(options.lag),
  });
  const retries = backOff(clock);
  /** Parts of the past that the stream after them has to come up to. */
  const waiting = new Map<bigint, StoredPart>();
  let pastRunning = 0;

  /** Packets of the same selection that were delivered since the fill begins. */
  const delivered = async (job: JobRow, signal: AbortSignal): Promise<Set<string>> => {
    const parts = await compare
      .partsOf(job.selection)
      .where('j.id', '<>', job.id)
      .where('j.purpose', '<>', 'past')
      .where(sql<boolean>`j.made_for is not distinct from ${job.made_for}`)
      .where('p.created_ns', '>=', job.begin_ns)
      .execute();
    return compare.keysOf(parts, signal);
  };

  const take = async (
    job: JobRow,
    row: ProductRow,
    received: StoredPart | ArrivedPart,
    signal: AbortSignal,
  ): Promise<boolean> => {
    submitter.verify(job.request_id!, job.name, received.fileName);
    let part = received;
    const dropped =
      job.purpose === 'fill'
        ? await repeated(part.file, await delivered(job, signal))
        : job.purpose === 'past'
          ? await meeting.drop(job, part, signal)
          : '';
    if (dropped === null) {
      waiting.set(job.id, part);
      return false;
    }
    waiting.delete(job.id);
    if (dropped !== '') {
      const key = partKey(job.request_id!, part.ordinal);
      part = { ...part, file: await without(cache, key, part.file, dropped) };
    }
    const summary = await summarise(part);
    const ordinal = part.ordinal;
    const made = part.creationTime ?? clock();
    const covered = coveredBy(job, made, options.period);
    const step = (trx: Kysely<EddsTables>) =>
      trx
        .updateTable('edds_job')
        .set({ parts: ordinal, covered_ns: covered, elements: sql`elements + ${summary.elements}` })
        .where('id', '=', job.id)
        .returning('orders')
        .executeTakeFirstOrThrow();
    const cut = 'cut' in received && received.cut !== null;
    if (summary.elements === 0 && !job.placed) {
      await step(db);
      return true;
    }
    const record = {
      ...row.record,
      'part.requestId': job.request_id!,
      'part.number': ordinal,
      'part.elements': summary.elements,
      'part.unreadable': summary.problems,
      ...(summary.fault !== null && { 'part.fault': summary.fault }),
      'part.purpose': job.purpose,
      ...(job.placed && { 'part.placedFor': job.made_for! }),
      ...(dropped !== '' && { 'part.dropped': dropped }),
    };
    await index.part(
      {
        key: part.fileName,
        product_type: row.product_type,
        record: JSON.stringify(record),
        created_ns: made,
        updated_ns: made,
        content_start_ns: summary.first ?? made,
        content_end_ns: summary.last ?? made,
        // Of what is cut off nothing is said but that it is there.
        size: cut ? null : BigInt(part.file.bytes),
        mime: part.contentType ?? 'text/xml',
        revision: part.fileName,
        sha256: cut ? null : part.file.sha256,
        request_id: job.request_id,
        ordinal,
      },
      async (trx) => {
        const { orders } = await step(trx);
        const from = startOf(job, made, covered, options);
        return { record: JSON.stringify({ ...record, ...(await ownersOf(trx, job, orders, from)) }) };
      },
    );
    return true;
  };

  /** Whose a part is that holds data from this time on: of its one order, of those whose past it is, or of all that want it. */
  const ownersOf = async (
    trx: Kysely<EddsTables>,
    job: JobRow,
    orders: readonly string[],
    from: bigint,
  ): Promise<Record<string, string>> => {
    if (job.made_for !== null) return { 'part.madeFor': job.made_for };
    if (job.purpose === 'past') return { 'part.madeFor': orders.join(',') };
    if (orders.length === 0) return { 'part.joinedBy': '' };
    const joined = await trx
      .selectFrom('edds_order')
      .select('order_id')
      .where('backend', '=', backend)
      .where('order_id', 'in', orders)
      .where('past', '=', true)
      .where((eb) => eb.or([eb('until_ns', 'is', null), eb('until_ns', '>=', from)]))
      .execute();
    return { 'part.joinedBy': joined.map(({ order_id }) => order_id).join(',') };
  };

  const follow = async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    const since = clock();
    const status = await service.status(job.request_id!, signal);
    const details = job.placed ? await scrubbed(job, status.details) : status.details;
    await update(job, { state: status.state, details: JSON.stringify(details), looked_ns: meeting.lookedAt(job) });
    const over =
      status.state === 'done' ||
      status.state === 'failed' ||
      status.state === 'cancelled' ||
      status.state === 'expired';
    if (job.placed && !over && (await placing.reason(job.made_for!)) !== null)
      await service.cancel(job.request_id!, signal);
    if (job.placed && status.state === 'failed') {
      const why = [details.Error, details.Reason].filter(Boolean).join(': ');
      await placing.failed(job.made_for!, `EDDS could not send${why === '' ? '' : `: ${why}`}`);
    }
    let current = job;
    for (;;) {
      const part = job.placed
        ? await arrivals.next(current, over, signal)
        : ((await keptPart(current)) ??
          (await fetchPart(service, cache, job.request_id!, current.parts + 1, signal).catch((error: unknown) => {
            if (means(error, 'expired')) return 'missing' as const;
            throw error;
          })));
      if (part === 'later' || (part === 'missing' && !over)) {
        meeting.looked(job, since);
        if (job.placed && !over && lacksRun(current)) {
          await placing.failed(job.made_for!, 'nothing has arrived of a run that EDDS must have sent');
          await service.cancel(job.request_id!, signal);
        }
        return;
      }
      if (part === 'missing') {
        // Believed when it is said twice, and never of a request that leaves a part even when it found nothing.
        const mustHavePart =
          (current.purpose === 'fill' || current.purpose === 'past') &&
          status.state === 'done' &&
          current.parts === 0 &&
          service.profile.whenEmpty === 'part';
        if (job.state === 'ending' && !mustHavePart) await finish(current, status.state);
        else await update(current, { state: 'ending' });
        return;
      }
      if (!(await take(current, row, part, signal))) return;
      current = await db.selectFrom('edds_job').selectAll().where('id', '=', job.id).executeTakeFirstOrThrow();
    }
  };

  /** A part that waits to be taken, as long as it is there. */
  const keptPart = async (job: JobRow): Promise<StoredPart | null> => {
    const part = waiting.get(job.id);
    if (part?.ordinal !== job.parts + 1) return null;
    return (await cache.get(partKey(job.request_id!, part.ordinal))) === null ? null : part;
  };

  /** Whether the files of a recurring request's run are missing at the target: where every run leaves one, that can be told. */
  const lacksRun = (job: JobRow): boolean => {
    const waits = nsOf(options.period + options.arrival);
    return job.purpose === 'schedule' && service.profile.whenEmpty === 'part' && clock() > job.covered_ns + waits;
  };

  const scrubbed = async (job: JobRow, details: JobStatus['details']): Promise<JobStatus['details']> => {
    const scrub = await placing.scrubber(job.made_for!);
    return Object.fromEntries(
      Object.entries(details).map(([name, text]) => [name, text === null ? null : scrub(text)]),
    ) as unknown as JobStatus['details'];
  };

  /** A job that has ended. While orders want its data another takes its place, from where it stopped. */
  const finish = async (job: JobRow, state: string): Promise<void> => {
    await db.transaction().execute(async (trx) => {
      const now = await trx
        .selectFrom('edds_job')
        .selectAll()
        .where('id', '=', job.id)
        .forUpdate()
        .executeTakeFirstOrThrow();
      await trx.updateTable('edds_job').set({ done: true, state }).where('id', '=', job.id).execute();
      meeting.forget(job);
      waiting.delete(job.id);
      const once = job.purpose === 'fill' || job.purpose === 'past';
      const again = once
        ? state !== 'done' && (job.purpose === 'past' || now.parts === 0) && now.orders.length > 0
        : now.orders.length > 0;
      if (!again) {
        retries.succeeded(job);
        return;
      }
      if (job.purpose === 'past') {
        await trx
          .insertInto('edds_job')
          .values({ ...plannedJob(now), details: JSON.stringify(now.details) })
          .execute();
        retries.failed(job);
        return;
      }
      // A stream's last part says only about when it was closed: what lies around that is fetched again and compared.
      const overlap = job.purpose === 'stream' && now.parts > 0 ? nsOf(options.overlap) : 0n;
      const covered = now.covered_ns - overlap > now.begin_ns ? now.covered_ns - overlap : now.begin_ns;
      await trx
        .insertInto('edds_job')
        .values(plannedJob({ ...now, begin_ns: covered, covered_ns: covered }))
        .execute();
    });
  };

  /** Requests for the past wait for the stream after them, and for one another: so many run at once as retrievals may. */
  const submitPast = async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    if (job.end_ns === null || !retries.due(job) || pastRunning >= service.profile.limits.batches) return;
    pastRunning++;
    await submit(job.submitted_ns === null ? await cutPast(db, job, options.maxWindow) : job, row, signal);
  };

  const cancelThere = async (job: JobRow, signal: AbortSignal): Promise<void> => {
    if (job.request_id !== null) {
      await service.cancel(job.request_id, signal).catch((error: unknown) => {
        if (!means(error, 'unknownRequest', 'expired')) throw error;
      });
    }
    await update(job, { state: 'cancelled' });
  };

  const step = async (job: JobRow, row: ProductRow | undefined, signal: AbortSignal): Promise<void> => {
    if (job.state === 'leaving') return cancelThere(job, signal);
    if (job.orders.length === 0 && job.purpose !== 'fill') {
      // From here on no order can join it any more; one that has done so meanwhile keeps it.
      const left = await db
        .updateTable('edds_job')
        .set({ done: true, state: 'leaving' })
        .where('id', '=', job.id)
        .where('done', '=', false)
        .where(sql<boolean>`orders = '[]'::jsonb`)
        .returningAll()
        .executeTakeFirst();
      return left === undefined ? undefined : cancelThere(left, signal);
    }
    if (row === undefined) return;
    if (job.request_id === null)
      return job.purpose === 'past' ? submitPast(job, row, signal) : submit(job, row, signal);
    try {
      await follow(job, row, signal);
    } catch (error) {
      if (means(error, 'unknownRequest')) return finish(job, 'unknown');
      if (error instanceof ForeignRequest) {
        await update(job, { request_id: null, state: 'planned' });
        return;
      }
      throw error;
    }
  };

  return {
    /** One look at every open job. A job that fails does not keep the others. */
    async turn(signal: AbortSignal): Promise<void> {
      const jobs = await db
        .selectFrom('edds_job')
        .selectAll()
        .where('backend', '=', backend)
        .where((eb) => eb.or([eb('done', '=', false), eb('state', '=', 'leaving')]))
        .orderBy('id')
        .execute();
      const rows = await index.find([...new Set(jobs.map(({ selection }) => selection))]);
      const queue = [...jobs];
      pastRunning = jobs.filter(
        ({ purpose, request_id, state }) => purpose === 'past' && request_id !== null && state !== 'done',
      ).length;
      const work = async (): Promise<void> => {
        for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
          signal.throwIfAborted();
          await step(job, rows.get(job.selection), signal).catch(async (error: unknown) => {
            signal.throwIfAborted();
            log.warn(
              { err: error, selection: job.selection, requestId: job.request_id },
              'a job of EDDS cannot be carried on now',
            );
            if (job.request_id !== null) return;
            if (job.purpose === 'past') retries.failed(job);
            await fail(job, error);
          });
        }
      };
      await Promise.all(Array.from({ length: Math.min(4, jobs.length) }, work));
    },
  };
}

const LONGEST_PAUSE = 600_000_000_000n;

/** A request for the past that did not succeed is tried again, each time later. */
function backOff(clock: () => bigint) {
  const failures = new Map<string, { count: number; at: bigint }>();
  const keyOf = (job: JobRow): string => `${job.selection} ${job.begin_ns} ${job.end_ns} ${job.orders.join(',')}`;
  return {
    due: (job: JobRow): boolean => (failures.get(keyOf(job))?.at ?? 0n) <= clock(),
    succeeded: (job: JobRow): void => void failures.delete(keyOf(job)),
    failed(job: JobRow): void {
      const count = (failures.get(keyOf(job))?.count ?? 0) + 1;
      const pause = 500_000_000n << BigInt(Math.min(count, 20));
      failures.set(keyOf(job), { count, at: clock() + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE) });
    },
  };
}

export type JobKeeper = ReturnType<typeof jobKeeper>;

/** Schedule: from `begin`, each run covers the period before it. Fill: what was created in the window. Past: what was filed there. */
function batchTimes(job: JobRow, { creation, filing }: TypeRule, period: number): Neutral {
  if (job.purpose === 'fill') {
    return { begin: job.begin_ns, end: job.end_ns!, ...(creation !== undefined && { timeField: creation }) };
  }
  if (job.purpose === 'past') return { ...pastTimes(job), ...(filing !== undefined && { timeField: filing }) };
  return {
    scheduleStart: formatMillis(job.begin_ns + nsOf(period)),
    schedulePeriod: `PT${period / 1000}S`,
  };
}

/** About when the first data of a part came. */
function startOf(
  job: JobRow,
  made: bigint,
  covered: bigint,
  { partSeconds, period, lag }: Pick<JobsOptions, 'partSeconds' | 'period' | 'lag'>,
): bigint {
  if (job.purpose === 'schedule') return covered - nsOf(period);
  if (job.purpose === 'fill') return job.begin_ns;
  const recent = made - 2n * nsOf(partSeconds * 1000);
  return (recent > job.covered_ns ? recent : job.covered_ns) - nsOf(lag);
}

/** Up to where data are here once a part made at this time is. */
function coveredBy(job: JobRow, made: bigint, period: number): bigint {
  if (job.purpose === 'fill' || job.purpose === 'past') return job.covered_ns;
  if (job.purpose === 'stream') return made > job.covered_ns ? made : job.covered_ns;
  const ns = nsOf(period);
  const runs = (made - job.begin_ns + ns / 2n) / ns;
  const covered = job.begin_ns + runs * ns;
  return covered > job.covered_ns ? covered : job.covered_ns;
}

async function summarise(
  part: StoredPart,
): Promise<{ elements: number; problems: number; fault: string | null; first: bigint | null; last: bigint | null }> {
  let elements = 0;
  let problems = 0;
  let fault: string | null = null;
  let first: bigint | null = null;
  let last: bigint | null = null;
  const reader = responseReader({
    onProblem(problem) {
      problems++;
      fault ??= problemText(problem);
    },
    onElement(element) {
      elements++;
      const time = elementTime(element);
      if (time === null) return;
      if (first === null || time < first) first = time;
      if (last === null || time > last) last = time;
    },
  });
  for await (const chunk of createReadStream(part.file.path)) reader.write(chunk as Buffer);
  reader.end();
  return { elements, problems, fault, first, last };
}
