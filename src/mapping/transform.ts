import { RE2JS } from 're2js';
import { parseTime } from '../mal/index.js';
import type { Transform } from './schema.js';

/** A value of a legacy record: what its reader found. Times that are known as such are `bigint` nanoseconds. */
export type Raw = string | number | bigint | boolean | readonly Raw[];

/** Applies one step; undefined = there is no value. */
export type Step = (value: Raw) => Raw | undefined;

/** Compiles a transform once. Steps other than `first`, `last` and `join` apply to each element of a list. */
export function compileTransform(transform: Transform): Step {
  if (transform === 'first') return (value) => (isList(value) ? value[0] : value);
  if (transform === 'last') return (value) => (isList(value) ? value.at(-1) : value);
  if (typeof transform === 'object' && 'join' in transform) {
    return (value) => (isList(value) ? value.map(String).join(transform.join) : value);
  }
  const step = scalarStep(transform);
  return (value) => {
    if (!isList(value)) return step(value);
    return value.map((item) => (isList(item) ? undefined : step(item))).filter((item) => item !== undefined);
  };
}

export const isList = (value: Raw): value is readonly Raw[] => Array.isArray(value);

function scalarStep(transform: Exclude<Transform, 'first' | 'last' | { join: string }>): Step {
  if (transform === 'trim') return (value) => String(value).trim();
  if (transform === 'lower') return (value) => String(value).toLowerCase();
  if (transform === 'upper') return (value) => String(value).toUpperCase();
  if ('extract' in transform) {
    const regex = RE2JS.compile(transform.extract);
    return (value) => {
      const matcher = regex.matcher(String(value));
      if (!matcher.find()) return undefined;
      return matcher.group(regex.groupCount() > 0 ? 1 : 0) ?? undefined;
    };
  }
  if ('replace' in transform) {
    const regex = RE2JS.compile(transform.replace);
    return (value) => regex.matcher(String(value)).replaceAll(transform.by);
  }
  if ('map' in transform) {
    const table = new Map(Object.entries(transform.map));
    return (value) => table.get(String(value)) ?? table.get('*');
  }
  if ('scale' in transform) {
    return (value) => {
      const number = toNumber(value);
      return number === undefined ? undefined : number * transform.scale;
    };
  }
  if ('base' in transform) return (value) => wholeNumber(String(value), transform.base);
  return timeStep(transform.time);
}

/** Text of a number as a number; nothing else is one. */
export function toNumber(value: Raw): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

function wholeNumber(text: string, base: number): bigint | undefined {
  const digits = text
    .trim()
    .toLowerCase()
    .replace(base === 16 ? /^0x/ : '', '');
  if (!/^-?[0-9a-z]+$/.test(digits)) return undefined;
  let value = 0n;
  for (const digit of digits.replace('-', '')) {
    const worth = Number.parseInt(digit, base);
    if (Number.isNaN(worth)) return undefined;
    value = value * BigInt(base) + BigInt(worth);
  }
  return digits.startsWith('-') ? -value : value;
}

function timeStep(form: 'epoch-s' | 'epoch-ms' | 'calendar-digits' | 'ordinal-digits'): Step {
  if (form === 'epoch-s') return (value) => scaled(value, 9);
  if (form === 'epoch-ms') return (value) => scaled(value, 6);
  const dateDigits = form === 'calendar-digits' ? 8 : 7;
  return (value) => {
    const digits = String(value).replace(/\D/g, '');
    const date = digits.slice(0, dateDigits);
    if (date.length < dateDigits) return undefined;
    const day = date.length === 8 ? `${date.slice(4, 6)}-${date.slice(6)}` : date.slice(4);
    const [hour, minute, second] = [0, 2, 4].map((at) =>
      digits.slice(dateDigits + at, dateDigits + at + 2).padEnd(2, '0'),
    );
    const fraction = digits.slice(dateDigits + 6, dateDigits + 15).padEnd(1, '0');
    return time(`${date.slice(0, 4)}-${day}T${hour}:${minute}:${second}.${fraction}Z`);
  };
}

/** Decimal text or number times ten to a power, exactly. */
function scaled(value: Raw, power: number): bigint | undefined {
  const match = /^\s*(-?)(\d+)(?:\.(\d+))?\s*$/.exec(String(value));
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = ''] = match;
  const size = BigInt(whole + fraction.padEnd(power, '0').slice(0, power));
  return sign === '-' ? -size : size;
}

/** ISO 8601 text as nanoseconds, or no value. */
export function time(text: string): bigint | undefined {
  try {
    return parseTime(text.trim());
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
