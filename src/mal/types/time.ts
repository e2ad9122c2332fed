import { memo } from '../memo.js';

/** Instants and durations are `bigint` nanoseconds; an instant counts from 1970-01-01T00:00:00Z. ISO 8601 is the text form. */

export const NS_PER_MS = 1_000_000n;
export const NS_PER_SECOND = 1_000_000_000n;

/** What fits 64 signed bits: 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z. */
export const MIN_TIME = -(2n ** 63n);
export const MAX_TIME = 2n ** 63n - 1n;

/** The nearest instant that a time can tell. */
export const clampTime = (ns: bigint): bigint => (ns < MIN_TIME ? MIN_TIME : ns > MAX_TIME ? MAX_TIME : ns);

const INSTANT =
  /^(\d{4})-(?:(\d{2})-(\d{2})|(\d{3}))(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * Reads ISO 8601, calendar (`2026-11-23T13:08:04.5Z`) or day of year (`2026-327T13:08:04.5Z`); seconds, fraction (up to nine
 * digits), zone (default UTC) and time of day may be absent. Second 60 is the start of the next minute.
 * @throws RangeError on any other text, a date that does not exist, or an instant outside 64 bits
 */
export function parseTime(text: string): bigint {
  return parseUsual(text) ?? parseAny(text);
}

/** The form that {@link formatTime} writes, read without a pattern; null for anything it cannot be sure of. */
function parseUsual(text: string): bigint | null {
  const { length } = text;
  if (length < 20 || length > 30 || length === 21 || text.charCodeAt(length - 1) !== 0x5a) return null;
  if (text[4] !== '-' || text[7] !== '-' || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':') return null;
  if (length > 20 && text[19] !== '.') return null;
  const year = digits(text, 0, 2) * 100 + digits(text, 2, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  const second = digits(text, 17, 19);
  const usual = year >= 1678 && year <= 2261 && month >= 1 && month <= 12 && day >= 1 && day <= 28;
  if (!usual || !(hour <= 23 && minute <= 59 && second <= 59)) return null;
  const at = BigInt(Date.UTC(year, month - 1, day, hour, minute, second)) * NS_PER_MS;
  if (length === 20) return at;
  const fraction = digits(text, 20, length - 1);
  return Number.isNaN(fraction) ? null : at + BigInt(fraction * 10 ** (30 - length));
}

/** NaN when one of them is no digit. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

function parseAny(text: string): bigint {
  const match = INSTANT.exec(text);
  if (match === null) throw new RangeError(`not an ISO 8601 time: ${quote(text)}`);
  const [, year, month, day, dayOfYear, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  const date = new Date(0);
  if (dayOfYear === undefined) {
    date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
    if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) throw noSuchDate(text);
  } else {
    date.setUTCFullYear(Number(year), 0, Number(dayOfYear));
    if (dayOfYear === '000' || date.getUTCFullYear() !== Number(year)) throw noSuchDate(text);
  }
  const midnight24 = hour === '24' && Number(minute) === 0 && Number(second) === 0 && /^0*$/.test(fraction);
  if ((Number(hour) > 23 && !midnight24) || Number(minute) > 59 || Number(second) > 60) throw noSuchDate(text);
  const seconds =
    date.getTime() / 1000 + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - zoneSeconds(zone, text);
  const ns = BigInt(seconds) * NS_PER_SECOND + BigInt(fraction.padEnd(9, '0'));
  if (ns < MIN_TIME || ns > MAX_TIME) throw new RangeError(`outside 1677-09-21 to 2262-04-11: ${quote(text)}`);
  return ns;
}

/** ISO 8601 UTC with `Z` and as many decimals as needed, at most nine. */
export function formatTime(ns: bigint): string {
  let seconds = Number(ns / NS_PER_SECOND);
  let rest = Number(ns % NS_PER_SECOND);
  if (rest < 0) {
    seconds -= 1;
    rest += 1e9;
  }
  const day = Math.floor(seconds / 86_400);
  const within = seconds - day * 86_400;
  const minutes = Math.floor(within / 60);
  const clock = `${TWO[Math.floor(minutes / 60)]}:${TWO[minutes % 60]}:${TWO[within % 60]}`;
  return `${dateText(day)}T${clock}${rest === 0 ? '' : `.${String(rest).padStart(9, '0').replace(/0+$/, '')}`}Z`;
}

const TWO = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));

/** `2026-11-23` of days since 1970; neighbours are mostly of the same. */
const dateText = memo(100, (day: number) => new Date(day * 86_400_000).toISOString().slice(0, 10));

/** As {@link formatTime} with the date as year and day of year, `2026-327T13:08:04Z`. */
export function formatTimeDayOfYear(ns: bigint): string {
  const text = formatTime(ns);
  const date = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const day = Math.round((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  return `${text.slice(0, 5)}${String(day).padStart(3, '0')}${text.slice(10)}`;
}

const DURATION = /^([+-])?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,9}))?S)?)?$/;

/**
 * Reads an ISO 8601 duration of days, hours, minutes and seconds, such as `PT1.5S`, `-P1DT2H`.
 * @throws RangeError on years, months, weeks, more than nine decimals, or more than 64 bits
 */
export function parseDuration(text: string): bigint {
  const match = DURATION.exec(text);
  if (match === null || text.endsWith('P') || text.endsWith('T')) {
    throw new RangeError(`not an ISO 8601 duration: ${quote(text)}`);
  }
  const [, sign, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = ''] = match;
  const whole = BigInt(days) * 86_400n + BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds);
  const size = whole * NS_PER_SECOND + BigInt(fraction.padEnd(9, '0'));
  const ns = sign === '-' ? -size : size;
  if (ns < MIN_TIME || ns > MAX_TIME) throw new RangeError(`longer than 64 bits of nanoseconds: ${quote(text)}`);
  return ns;
}

/** ISO 8601 in seconds: `PT1.5S`, `-PT0.000000001S`. */
export function formatDuration(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}PT${size / NS_PER_SECOND}${decimals(size % NS_PER_SECOND)}S`;
}

/** Milliseconds since 1970, rounded down. */
export const toMsDown = (ns: bigint): bigint => floorDiv(ns, NS_PER_MS);
/** Milliseconds since 1970, rounded up. */
export const toMsUp = (ns: bigint): bigint => -floorDiv(-ns, NS_PER_MS);
/** The instant rounded down, or up, to a whole millisecond. */
export const floorToMs = (ns: bigint): bigint => toMsDown(ns) * NS_PER_MS;
export const ceilToMs = (ns: bigint): bigint => toMsUp(ns) * NS_PER_MS;
export const fromMs = (ms: number): bigint => BigInt(ms) * NS_PER_MS;

export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b;
  return a % b < 0n ? q - 1n : q;
}

function decimals(ns: bigint): string {
  return ns === 0n ? '' : `.${String(ns).padStart(9, '0').replace(/0+$/, '')}`;
}

function zoneSeconds(zone: string, text: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || '0');
  if (hours > 23 || minutes > 59) throw noSuchDate(text);
  return (zone[0] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

const noSuchDate = (text: string): RangeError => new RangeError(`no such time: ${quote(text)}`);
const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
