import { type Attribute, type AttributeTypeName, BIGINT_RANGES, NUMBER_RANGES, parseDuration } from '../mal/index.js';
import { isList, type Raw, time, toNumber } from './transform.js';

/** A raw value as a MAL attribute of the declared type; undefined when it is none. Of a list the first element counts. */
export function toAttribute(type: Exclude<AttributeTypeName, 'Blob' | 'ObjectRef'>, raw: Raw): Attribute | undefined {
  if (isList(raw)) return raw[0] === undefined ? undefined : toAttribute(type, raw[0]);
  switch (type) {
    case 'String':
    case 'Identifier':
    case 'URI':
      return { type, value: String(raw) };
    case 'Boolean': {
      const value = toBoolean(raw);
      return value === undefined ? undefined : { type, value };
    }
    case 'Float':
    case 'Double': {
      const value = typeof raw === 'boolean' ? undefined : toNumber(raw);
      return value === undefined ? undefined : { type, value: type === 'Float' ? Math.fround(value) : value };
    }
    case 'Long':
    case 'ULong': {
      const value = toBigint(raw);
      return value === undefined || !within(value, BIGINT_RANGES[type]) ? undefined : { type, value };
    }
    case 'Time':
    case 'FineTime': {
      const value = toTime(raw);
      return value === undefined ? undefined : { type, value };
    }
    case 'Duration': {
      const value = toDuration(raw);
      return value === undefined ? undefined : { type, value };
    }
    default: {
      const value = toBigint(raw);
      const [low, high] = NUMBER_RANGES[type];
      return value === undefined || value < low || value > high ? undefined : { type, value: Number(value) };
    }
  }
}

/** Nanoseconds since 1970: of a `bigint` itself, of text by ISO 8601. A bare number is no time: `time` transforms say its unit. */
export function toTime(raw: Raw): bigint | undefined {
  if (isList(raw)) return raw[0] === undefined ? undefined : toTime(raw[0]);
  const value = typeof raw === 'bigint' ? raw : typeof raw === 'string' ? time(raw) : undefined;
  return value !== undefined && within(value, BIGINT_RANGES.Time) ? value : undefined;
}

const within = (value: bigint, [low, high]: readonly [bigint, bigint]): boolean => value >= low && value <= high;

function toBoolean(raw: Raw): boolean | undefined {
  if (typeof raw === 'boolean') return raw;
  const text = String(raw).trim().toLowerCase();
  if (['true', 'yes', '1'].includes(text)) return true;
  return ['false', 'no', '0'].includes(text) ? false : undefined;
}

function toBigint(raw: Raw): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  if (typeof raw === 'number') return Number.isInteger(raw) ? BigInt(raw) : undefined;
  return typeof raw === 'string' && /^\s*[+-]?\d+\s*$/.test(raw) ? BigInt(raw.trim().replace('+', '')) : undefined;
}

function toDuration(raw: Raw): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  if (typeof raw !== 'string') return undefined;
  try {
    return parseDuration(raw.trim());
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
