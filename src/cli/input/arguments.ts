import { InvalidArgumentError } from 'commander';
import { parseInterval } from '../../bindings/http/query/interval.js';
import { parseDuration } from '../../config/fields.js';
import { parseTime } from '../../mal/index.js';
import { isMpdError, type TimeWindow } from '../../mpd/index.js';
import { usage } from '../exit-codes.js';

/** Readers of arguments; commander names the option in front of what they throw. */

export function orderId(text: string): bigint {
  if (!/^\d{1,18}$/.test(text) || BigInt(text) === 0n) throw new InvalidArgumentError('expected a number above 0.');
  return BigInt(text);
}

export function count(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < 1) throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
}

export function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('expected a port, 0 to 65535.');
  return Number(text);
}

/** `a.b`, `a.b.*` */
export function domain(text: string): readonly string[] {
  const parts = text.split('.');
  if (parts.includes('')) throw new InvalidArgumentError('expected parts joined by dots, as in esa.solo.*');
  return parts;
}

export function interval(text: string): TimeWindow {
  try {
    return parseInterval(text, '');
  } catch (error) {
    if (isMpdError(error))
      throw new InvalidArgumentError(`${error.message.replace(/^: /, '')}, as in 2026-01-01T00:00:00Z/P1D.`);
    throw error;
  }
}

/** `2026-01-01T00:00:00Z` → ns */
export function instant(text: string): bigint {
  try {
    return parseTime(text);
  } catch {
    throw new InvalidArgumentError('expected a time such as 2026-01-01T00:00:00Z.');
  }
}

/** `10m` → ms */
export function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === null) throw new InvalidArgumentError('expected a duration such as 30s, 10m or 24h.');
  return milliseconds;
}

/** For options that may be given more than once. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** An argument of a command, by the reader of an option. */
export function readArgument<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw usage(`${name}: ${(error as Error).message.replace(/\.$/, '')}, not ${JSON.stringify(text)}`);
  }
}
