import type { UpstreamJob, UpstreamStatus } from '../../src/gateway/backend.js';
import { iso } from './entry.js';
import type { JobRow } from './job.js';
import { pastTimes } from './past.js';

/** What is known of an order. */
export interface KnownOrder {
  readonly id: string;
  readonly orderId: string;
  readonly jobs: readonly JobRow[];
  /** Whether what it wants of the past is planned; undefined: nothing is planned yet. */
  readonly past: boolean | undefined;
  /** All that it wanted has come. */
  readonly done: boolean;
  /** Why the gateway sends its files; null = EDDS does, undefined = it was never asked for otherwise. */
  readonly byGateway: string | null | undefined;
}

/** How far an order is at EDDS. */
export function orderStatus({ id, orderId, jobs: all, past, done, byGateway }: KnownOrder): UpstreamStatus {
  const jobs = all.filter((job) => job.purpose !== 'fill');
  const current = jobs.filter((job) => !job.done);
  const shown = current[0] ?? jobs.at(-1);
  const states = [...new Set(current.map(({ state }) => state))];
  return {
    id,
    orderId: BigInt(orderId),
    state:
      states.length === 0
        ? done
          ? 'done'
          : past === undefined
            ? 'waiting'
            : 'idle'
        : states.length === 1
          ? states[0]!
          : 'mixed',
    ...(past !== false && { done }),
    jobs: [...current, ...jobs.filter((job) => job.done).slice(-SHOWN)].map(shownJob),
    details: {
      ...(shown?.details ?? {}),
      ...(past && { Past: pastText(jobs.filter((job) => job.purpose === 'past')) }),
      Requests:
        current.map((job) => `${job.request_id ?? job.name}: ${job.details.State ?? job.state}`).join('; ') || null,
      ...(byGateway !== undefined && {
        Delivery: byGateway === null ? 'EDDS sends' : `the gateway sends: ${byGateway}`,
      }),
      Parts: String(jobs.reduce((sum, { parts }) => sum + parts, 0)),
    },
  };
}

/** Ended requests that the state of an order still shows. */
const SHOWN = 50;

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
