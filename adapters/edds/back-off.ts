import type { JobRow } from './job.js';

const LONGEST_PAUSE = 600_000_000_000n;

/** A request for the past that did not succeed is tried again, each time later. */
export function backOff(clock: () => bigint) {
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

export type BackOff = ReturnType<typeof backOff>;
