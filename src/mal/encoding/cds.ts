import { endianness } from 'node:os';
import { badEncoding } from '../errors.js';
import { floorDiv, NS_PER_MS } from '../types/index.js';
import { fromHalves } from './halves.js';

/** CCSDS day segmented time: days since 1958 in 16 bits, milliseconds of the day in 32, for FineTime picoseconds of the ms in 32. */

const MS_PER_DAY = 86_400_000;
/** 1970-01-01 in days since 1958-01-01. */
const EPOCH_DAY = 4383;
/** Places of the halves of a 64-bit integer: 2^32 = 4294 * 10^6 + 967 296. */
const [LOW, HIGH] = endianness() === 'LE' ? [0, 1] : [1, 0];
/** Nanoseconds of a day: 20116 * 2^32 + 2 437 873 664. */
const [DAY_HIGH, DAY_LOW] = [Math.floor(86_400e9 / 2 ** 32), 86_400e9 % 2 ** 32];
const FIRST_MS = -EPOCH_DAY * MS_PER_DAY;
const LAST_MS = (65_536 - EPOCH_DAY) * MS_PER_DAY - 1;

/** Milliseconds since 1958. @throws MalError when the wire has no such time (1958-01-01 to 2137-06-06) */
export function timeToMs(ns: bigint, roundUp: boolean): number {
  const ms = wholeMs(ns, roundUp);
  if (ms < FIRST_MS || ms > LAST_MS) throw badEncoding('a time outside 1958-01-01 to 2137-06-06');
  return ms - FIRST_MS;
}

const scratch = new BigInt64Array(1);
const halves = new Int32Array(scratch.buffer);

/** Milliseconds from 64-bit nanoseconds in exact number arithmetic, which is much quicker than that of bigint. */
function wholeMs(ns: bigint, roundUp: boolean): number {
  scratch[0] = ns;
  if (scratch[0] !== ns) throw badEncoding('a time of more than 64 bits');
  const rest = halves[HIGH]! * 967_296 + (halves[LOW]! >>> 0);
  const ms = Math.floor(rest / 1e6);
  return halves[HIGH]! * 4294 + (roundUp && ms * 1e6 !== rest ? ms + 1 : ms);
}

export const dayOf = (ms: number): number => Math.floor(ms / MS_PER_DAY);
export const msOfDay = (ms: number): number => ms % MS_PER_DAY;

/** Picoseconds within the millisecond. */
export const picosecondsOf = (ns: bigint): number => Number(ns - floorDiv(ns, NS_PER_MS) * NS_PER_MS) * 1000;

export function timeFrom(day: number, ms: number): bigint {
  if (ms >= MS_PER_DAY + 1000) throw badEncoding(`${ms} ms in a day`);
  // Days in the two halves of a 64-bit integer, the rest in its lower one.
  const days = day - EPOCH_DAY;
  const low = days * DAY_LOW + ms * 1e6;
  return fromHalves(days * DAY_HIGH + Math.floor(low / 2 ** 32), low);
}

export function fineTimeFrom(day: number, ms: number, picoseconds: number): bigint {
  if (picoseconds >= 1_000_000_000) throw badEncoding(`${picoseconds} ps in a millisecond`);
  return timeFrom(day, ms) + BigInt(Math.floor(picoseconds / 1000));
}
