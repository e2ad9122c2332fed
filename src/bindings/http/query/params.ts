import type { Json } from '../../../client/http/wire/index.js';
import { parseDuration } from '../../../mal/index.js';
import { invalid } from '../../../mpd/index.js';
import type { ListParam, Param, QueryParams } from '../route.js';
import { checkText } from './text.js';

export const textParam = (doc: string, example?: Json): Param<string> => ({
  schema: { type: 'string' },
  doc,
  ...(example === undefined ? {} : { example }),
  parse: (text) => text,
});

export const idParam = (doc: string): Param<bigint> => ({
  schema: { type: 'integer', format: 'int64', minimum: 0 },
  doc,
  example: 1,
  parse(text, field) {
    if (!/^\d{1,19}$/.test(text) || BigInt(text) > 2n ** 63n - 1n) throw invalid(field, 'expected a whole number');
    return BigInt(text);
  },
});

export const countParam = (doc: string, maximum?: number): Param<number> => ({
  schema: { type: 'integer', minimum: 1, ...(maximum === undefined ? {} : { maximum }) },
  doc,
  example: 100,
  parse(text, field) {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < 1) throw invalid(field, 'expected a whole number above 0');
    if (maximum !== undefined && value > maximum) throw invalid(field, `expected at most ${maximum}`);
    return value;
  },
});

export const choiceParam = <const V extends string>(values: readonly V[], doc: string): Param<V> => ({
  schema: { type: 'string', enum: [...values] },
  doc,
  ...(values[0] === undefined ? {} : { example: values[0] }),
  parse(text, field) {
    if (!values.includes(text as V)) throw invalid(field, `expected one of ${values.join(', ')}`);
    return text as V;
  },
});

/** Milliseconds, from seconds (`30`, `0.5`) or an ISO 8601 duration (`PT30S`). */
export const waitParam = (doc: string): Param<number> => ({
  schema: { type: 'string' },
  doc,
  example: 'PT30S',
  parse(text, field) {
    if (/^\d{1,6}(\.\d{1,3})?$/.test(text)) return Number(text) * 1000;
    try {
      const ns = parseDuration(text);
      if (ns >= 0n) return Number(ns / 1_000_000n);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    throw invalid(field, 'expected seconds (30) or a duration (PT30S)');
  },
});

/** `a.b`, `a.b.*` */
export const domainParam: Param<readonly string[]> = {
  schema: { type: 'string' },
  doc: 'Domain, parts joined by a dot; a last `*` takes in everything below.',
  example: 'esa.solo.*',
  parse(text, field) {
    const parts = text.split('.');
    if (parts.some((part) => part === '')) throw invalid(field, 'expected parts joined by dots, as in esa.solo.*');
    return parts;
  },
};

export const repeatable = <T>(param: Param<T>): ListParam<T> => ({ ...param, repeatable: true });

/** Reads the query part of a URL by declaration. @throws MpdError Invalid naming a parameter that is unknown, repeated or malformed */
export function parseQuery(declared: QueryParams, search: URLSearchParams): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const prefixes: [string, [string, string][]][] = [];
  for (const [name, param] of Object.entries(declared)) {
    if ('prefix' in param) {
      const pairs: [string, string][] = [];
      prefixes.push([param.prefix, pairs]);
      values[name] = pairs;
    } else values[name] = 'repeatable' in param ? [] : null;
  }
  const seen = new Set<string>();
  for (const [name, text] of search) {
    checkText(text, name);
    const param = Object.hasOwn(declared, name) ? declared[name] : undefined;
    if (param === undefined || 'prefix' in param) {
      const prefix = prefixes.find(([start]) => name.startsWith(start) && name.length > start.length);
      if (prefix === undefined) throw invalid(name, unknownParameter(declared));
      prefix[1].push([name.slice(prefix[0].length), text]);
    } else if ('repeatable' in param) {
      (values[name] as unknown[]).push(param.parse(text, name));
    } else {
      if (seen.has(name)) throw invalid(name, 'is given twice');
      values[name] = param.parse(text, name);
    }
    seen.add(name);
  }
  return values;
}

function unknownParameter(declared: QueryParams): string {
  const names = Object.entries(declared).map(([name, param]) => ('prefix' in param ? `${param.prefix}…` : name));
  return names.length === 0
    ? 'unknown query parameter; there are none here'
    : `unknown query parameter; there are ${names.join(', ')}`;
}
