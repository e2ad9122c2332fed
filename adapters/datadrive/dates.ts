import { parseTime } from '../../src/formats/time.js';

/** All instants that a written date stands for, ns since 1970: whole milliseconds, both ends included. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

const MS = 1_000_000n;
/** About as far from 1970 as times of the gateway reach, in the year 2262; as far before it. */
export const LATEST_MS = 9_223_372_036_000n;
const DAY = /^\d{4}-\d\d-\d\d$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)?$/;

/** Reads a date of a query as the index reads it, where what is not written is left open; a text is the reason why not. */
export function spanOf(value: unknown, format: unknown): Span | string {
  if (typeof value === 'number') {
    if (format !== 'epoch_millis' || !Number.isSafeInteger(value)) return 'a number is no date without epoch_millis';
    return within({ first: BigInt(value) * MS, last: BigInt(value) * MS });
  }
  if (typeof value !== 'string') return 'not a date';
  if (/^now|\|\|/.test(value)) return 'date math is taken anew at each search';
  if (format !== undefined && !String(format).includes('date_optional_time')) return `the format ${String(format)}`;
  const moment = MOMENT.exec(value);
  if (!moment && !DAY.test(value)) return 'only whole days and ISO 8601 times up to milliseconds are read';
  const first = parseTime(value);
  if (first === null) return 'not a date';
  const open = moment === null ? 86_399_999n : moment[1] === undefined ? 999n : 0n;
  return within({ first, last: first + open * MS });
}

const within = (span: Span): Span | string =>
  span.first > -LATEST_MS * MS && span.last < LATEST_MS * MS ? span : 'a time beyond 1678 to 2262';
