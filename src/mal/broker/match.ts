import type { Attribute } from '../types/index.js';

/** Text types are equal by their text, numbers by their value whatever their types; anything else by type and value. */
export function normalized({ type, value }: Attribute): string {
  if (typeof value === 'string') return `t${value}`;
  if (typeof value === 'bigint' || typeof value === 'number') {
    return type === 'Time' || type === 'FineTime' || type === 'Duration' ? `${type}${value}` : `n${value}`;
  }
  if (typeof value === 'boolean') return `b${value}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  return `r${JSON.stringify([value.domain, value.type, value.key, value.version])}`;
}

const NATIVE_NUMBERS: ReadonlySet<string> = new Set(['Octet', 'Short', 'Integer', 'Long', 'Float', 'Double']);

/** `*` as text, and 0 as a signed number, stand for any value. */
export const isWildcard = ({ type, value }: Attribute): boolean =>
  value === '*' || (NATIVE_NUMBERS.has(type) && Number(value) === 0);

/**
 * A subscription's domain against an update's: null and empty are any; `a.b.*` is a.b and below, `*.b.c` all that end so, `*.b.*`
 * all that have it inside; a `*` elsewhere is one part.
 */
export function matchesDomain(domain: readonly string[] | null, pattern: readonly string[] | null): boolean {
  if (pattern === null || pattern.length === 0) return true;
  const parts = domain ?? [];
  const openStart = pattern[0] === '*';
  const openEnd = pattern.at(-1) === '*';
  const middle = pattern.slice(openStart ? 1 : 0, openEnd && pattern.length > 1 ? -1 : undefined);
  const matchesAt = (at: number): boolean =>
    at >= 0 && at + middle.length <= parts.length && middle.every((part, i) => part === '*' || part === parts[at + i]);
  if (openStart && openEnd) {
    for (let at = 0; at + middle.length <= parts.length; at++) if (matchesAt(at)) return true;
    return false;
  }
  if (openEnd) return matchesAt(0);
  if (openStart) return matchesAt(parts.length - middle.length);
  return parts.length === middle.length && matchesAt(0);
}
