import type { TimeWindow } from '../../src/mpd/index.js';

/** Query DSL. Values of users only ever stand as values of JSON fields, never in a path or in query syntax. */
export type Clause = Readonly<Record<string, unknown>>;

export const anyOf = (should: readonly Clause[]): Clause => ({ bool: { should, minimum_should_match: 1 } });

const MS = 1_000_000n;

export const floorMs = (ns: bigint): number => Number(ns / MS - (ns % MS < 0n ? 1n : 0n));

export const within = (field: string, { start, end }: TimeWindow): Clause =>
  between(field, floorMs(start), floorMs(end));

/** Ms since 1970, both ends included. Older servers take no negative numbers, so these stand for "any". */
export const between = (
  field: string,
  low: number | undefined,
  high: number | undefined,
  more: Clause = {},
): Clause => ({
  range: {
    [field]: {
      ...(low !== undefined && low >= 0 && { gte: low }),
      ...(high !== undefined && { lte: Math.max(high, 0) }),
      format: 'epoch_millis',
      ...more,
    },
  },
});
