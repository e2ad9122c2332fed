import { MAX_TIME, MIN_TIME, parseDuration, parseTime } from '../../../mal/index.js';
import { invalid, type TimeWindow } from '../../../mpd/index.js';
import type { Param } from '../route.js';

/**
 * Reads an ISO 8601 interval, both ends included: `start/end`, `start/P1D`, `P1D/end`, with `..` or nothing for an open end. A single
 * instant is a window of no length.
 * @throws MpdError Invalid naming the field: no interval, or one that ends before it starts
 */
export function parseInterval(text: string, field: string): TimeWindow {
  const parts = text.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2 || text === '') throw invalid(field, 'expected an ISO 8601 interval start/end');
  if (second === undefined) {
    const at = instant(first, field);
    return { start: at, end: at };
  }
  if (isDuration(first) && isDuration(second)) throw invalid(field, 'an interval needs a start or an end');
  const window = isDuration(first)
    ? before(instant(second, field), first, field)
    : isDuration(second)
      ? after(instant(first, field), second, field)
      : { start: end(first, MIN_TIME, field), end: end(second, MAX_TIME, field) };
  if (window.end < window.start) throw invalid(field, 'the window ends before it starts');
  return window;
}

export const intervalParam = (doc: string): Param<TimeWindow> => ({
  schema: { type: 'string' },
  doc: `${doc} ISO 8601 interval, both ends included; \`..\` = open, durations allowed.`,
  example: '2026-01-01T00:00:00Z/P1D',
  parse: parseInterval,
});

const isDuration = (text: string): boolean => /^[+-]?P/.test(text);
const end = (text: string, open: bigint, field: string): bigint =>
  text === '' || text === '..' ? open : instant(text, field);

const before = (at: bigint, length: string, field: string): TimeWindow => ({
  start: at - duration(length, field),
  end: at,
});
const after = (at: bigint, length: string, field: string): TimeWindow => ({
  start: at,
  end: at + duration(length, field),
});

function instant(text: string, field: string): bigint {
  if (text === '' || text === '..') throw invalid(field, 'a duration needs a time at its other end');
  return read(() => parseTime(text), field);
}

const duration = (text: string, field: string): bigint => read(() => parseDuration(text), field);

function read(parse: () => bigint, field: string): bigint {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw invalid(field, error.message);
    throw error;
  }
}
