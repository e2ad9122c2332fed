import { sql } from 'kysely';
import { backOff } from './back-off.js';
import { comparison } from './compare.js';
import { nsOf } from './duration.js';
import type { ProductRow } from './entry.js';
import { means } from './fault.js';
import { type JobRow, updateJob } from './job.js';
import { jobEnder } from './job-end.js';
import { jobFollower } from './job-follow.js';
import type { JobsOptions } from './job-options.js';
import { jobStarter } from './job-start.js';
import { partTaker } from './job-take.js';
import { cutPast } from './past.js';
import { seam } from './seam.js';
import { ForeignRequest } from './submit.js';

/**
 * Carries the jobs of standing orders along: submits what is planned, takes every new part, renews what ended while it is
 * still wanted, filling the time between by a batch over creation times, and cancels what nobody wants any more. Run by
 * one gateway at a time.
 */
export function jobKeeper(options: JobsOptions) {
  const { db, backend, service, index, clock, log } = options;
  const compare = comparison(options);
  const meeting = seam({
    ...{ db, backend, clock, compare },
    overlap: nsOf(options.overlap),
    partSeconds: options.partSeconds,
    lag: nsOf(options.lag),
  });
  const retries = backOff(clock);
  const taker = partTaker(options, compare, meeting);
  const { start, refused } = jobStarter(options);
  const finish = jobEnder(options, taker, meeting, retries);
  const follow = jobFollower(options, taker, meeting, finish);
  let pastRunning = 0;

  /** Requests for the past wait for the stream after them, and for one another: so many run at once as retrievals may. */
  const submitPast = async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    if (job.end_ns === null || !retries.due(job) || pastRunning >= service.profile.limits.batches) return;
    pastRunning++;
    await start(job.submitted_ns === null ? await cutPast(db, job, options.maxWindow) : job, row, signal);
  };

  const cancelThere = async (job: JobRow, signal: AbortSignal): Promise<void> => {
    if (job.request_id !== null) {
      await service.cancel(job.request_id, signal).catch((error: unknown) => {
        if (!means(error, 'unknownRequest', 'expired')) throw error;
      });
    }
    await updateJob(db, job, { state: 'cancelled' });
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
    if (job.request_id === null) return job.purpose === 'past' ? submitPast(job, row, signal) : start(job, row, signal);
    try {
      await follow(job, row, signal);
    } catch (error) {
      if (means(error, 'unknownRequest')) return finish(job, 'unknown');
      if (error instanceof ForeignRequest) {
        await updateJob(db, job, { request_id: null, state: 'planned' });
        return;
      }
      throw error;
    }
  };

  return {
    /** One look at every open job. A job that fails does not keep the others; when it ends, none is under way. */
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
            await refused(job, error);
          });
        }
      };
      const ended = await Promise.allSettled(Array.from({ length: Math.min(4, jobs.length) }, work));
      for (const one of ended) if (one.status === 'rejected') throw one.reason;
    },
  };
}
