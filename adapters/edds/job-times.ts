import { formatMillis } from '../../src/formats/time.js';
import { nsOf } from './duration.js';
import type { JobRow } from './job.js';
import type { JobsOptions } from './job-options.js';
import { pastTimes } from './past.js';
import type { Neutral } from './service.js';
import type { TypeRule } from './site.js';

/** Schedule: from `begin`, each run covers the period before it. Fill: what was created in the window. Past: what was filed there. */
export function batchTimes(job: JobRow, { creation, filing }: TypeRule, period: number): Neutral {
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
export function startOf(
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
export function coveredBy(job: JobRow, made: bigint, period: number): bigint {
  if (job.purpose === 'fill' || job.purpose === 'past') return job.covered_ns;
  if (job.purpose === 'stream') return made > job.covered_ns ? made : job.covered_ns;
  const ns = nsOf(period);
  const runs = (made - job.begin_ns + ns / 2n) / ns;
  const covered = job.begin_ns + runs * ns;
  return covered > job.covered_ns ? covered : job.covered_ns;
}
