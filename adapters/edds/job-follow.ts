import { nsOf } from './duration.js';
import type { ProductRow } from './entry.js';
import { means } from './fault.js';
import { type JobRow, updateJob } from './job.js';
import type { JobEnder } from './job-end.js';
import type { JobsOptions } from './job-options.js';
import type { PartTaker } from './job-take.js';
import { fetchPart } from './parts.js';
import type { Seam } from './seam.js';
import type { JobStatus } from './service.js';

/** Looks at jobs that run: takes every part that is there, and ends a job that has no more to come. */
export function jobFollower(options: JobsOptions, taker: PartTaker, meeting: Seam, finish: JobEnder) {
  const { db, service, cache, clock, placing, arrivals } = options;

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

  return async (job: JobRow, row: ProductRow, signal: AbortSignal): Promise<void> => {
    const since = clock();
    const status = await service.status(job.request_id!, signal);
    const details = job.placed ? await scrubbed(job, status.details) : status.details;
    await updateJob(db, job, {
      state: status.state,
      details: JSON.stringify(details),
      looked_ns: meeting.lookedAt(job),
    });
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
        : ((await taker.kept(current)) ??
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
        else await updateJob(db, current, { state: 'ending' });
        return;
      }
      if (!(await taker.take(current, row, part, signal))) return;
      current = await db.selectFrom('edds_job').selectAll().where('id', '=', job.id).executeTakeFirstOrThrow();
    }
  };
}
