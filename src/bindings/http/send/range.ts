export type RangeAnswer =
  | { readonly kind: 'all' }
  | { readonly kind: 'part'; readonly start: number /** Inclusive; null = to the end. */; readonly end: number | null }
  | { readonly kind: 'outside' };

/**
 * One byte range (RFC 9110 §14.2). Several ranges, another unit or a malformed header mean the whole, as the RFC allows.
 * @param size of the whole; null = unknown: then only `start-` and `start-end` can be answered
 */
export function parseRange(header: string | undefined, size: number | null): RangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replace(/\s+/g, '') ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return { kind: 'all' };
  if (match[1] === '') {
    const length = Number(match[2]);
    if (size === null) return { kind: 'all' };
    if (length === 0 || size === 0) return { kind: 'outside' };
    return { kind: 'part', start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? null : Number(match[2]);
  if (end !== null && end < start) return { kind: 'all' };
  if (size === null) return { kind: 'part', start, end };
  if (start >= size) return { kind: 'outside' };
  return { kind: 'part', start, end: end === null ? size - 1 : Math.min(end, size - 1) };
}

/** Whether a list of entity tags (`If-Match`, `If-None-Match`) names this one; `weak` accepts `W/"…"`. */
export function matchesEtag(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((entry) => {
    const tag = entry.trim();
    return tag === etag || (comparison === 'weak' && tag === `W/${etag}`);
  });
}
