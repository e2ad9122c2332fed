import { badEncoding } from '../errors.js';
import { MAX_TIME, MIN_TIME, NS_PER_SECOND } from '../types/index.js';

/** A Duration travels as seconds in a 64-bit float; nanoseconds are kept up to some 50 days. */

export const durationToSeconds = (ns: bigint): number => {
  const seconds = ns / NS_PER_SECOND;
  return Number(seconds) + Number(ns - seconds * NS_PER_SECOND) / 1e9;
};

export function durationFromSeconds(seconds: number): bigint {
  if (!Number.isFinite(seconds)) throw badEncoding(`a duration of ${seconds} seconds`);
  const whole = Math.trunc(seconds);
  const ns = BigInt(whole) * NS_PER_SECOND + BigInt(Math.round((seconds - whole) * 1e9));
  if (ns < MIN_TIME || ns > MAX_TIME) throw badEncoding(`a duration of ${seconds} seconds`);
  return ns;
}
