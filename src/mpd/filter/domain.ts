/** Domain patterns: exact, or with a trailing `*` that domain and all below. A `*` elsewhere is no wildcard. */

export type DomainPattern = readonly string[];

export function domainMatches(domain: readonly string[], pattern: DomainPattern): boolean {
  const open = pattern.at(-1) === '*';
  const length = open ? pattern.length - 1 : pattern.length;
  if (open ? domain.length < length : domain.length !== length) return false;
  for (let i = 0; i < length; i++) if (domain[i] !== pattern[i]) return false;
  return true;
}

/** Whether every domain that `narrow` matches is matched by `wide`. */
export function covers(wide: DomainPattern, narrow: DomainPattern): boolean {
  if (narrow.at(-1) !== '*') return domainMatches(narrow, wide);
  return wide.at(-1) === '*' && domainMatches(narrow.slice(0, -1), wide);
}

/** Whether some domain at or below `prefix` can match. */
export const mayMatchBelow = (pattern: DomainPattern, prefix: readonly string[]): boolean =>
  overlaps(pattern, [...prefix, '*']);

/** Whether some domain matches both. */
export const overlaps = (a: DomainPattern, b: DomainPattern): boolean => covers(a, b) || covers(b, a);
