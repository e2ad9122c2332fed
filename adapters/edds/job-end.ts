import type { BackOff } from './back-off.js';
import { nsOf } from './duration.js';
import { type JobRow, plannedJob } from './job.js';
import type { JobsOptions } from './job-options.js';
import type { PartTaker } from './job-take.js';
import type { Seam } from './seam.js';

/** Ends jobs. While orders want the data of one that has ended another takes its place, from where it stopped. */
export function jobEnder(
  options: Pick<JobsOptions, 'db' | 'overlap'>,
  taker: PartTaker,
  meeting: Seam,
  retries: BackOff,
) {
  const { db } = options;

  return async (job: JobRow, state: string): Promise<void> => {
    await db.transaction().execute(async (trx) => {
      const now = await trx
        .selectFrom('edds_job')
        .selectAll()
        .where('id', '=', job.id)
        .forUpdate()
        .executeTakeFirstOrThrow();
      await trx.updateTable('edds_job').set({ done: true, state }).where('id', '=', job.id).execute();
      meeting.forget(job);
      taker.forget(job);
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
}

export type JobEnder = ReturnType<typeof jobEnder>;
