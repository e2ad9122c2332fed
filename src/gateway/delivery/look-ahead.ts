import type { Backend, Entry } from '../backend.js';
import type { Backends } from '../backends.js';
import { domainOf, productRef } from '../values.js';
import type { Claimed } from './rows.js';

/** Longest that a transfer waits for what was asked with others. */
const PATIENCE_MS = 5_000;
/** Older than this it is asked for again. */
const FRESH_MS = 10_000;

/** Asks each backend at once for all of the products that are about to be sent, where several are: one question in place of one a product. */
export function lookAhead(claims: readonly Claimed[], backends: Pick<Backends, 'byId'>): readonly Claimed[] {
  const groups = new Map<string, Claimed[]>();
  for (const claimed of claims) {
    const group = groups.get(claimed.row.backend) ?? [];
    groups.set(claimed.row.backend, group);
    group.push(claimed);
  }
  const known = new Map<Claimed, () => Promise<Entry | undefined>>();
  for (const [id, group] of groups) {
    const backend = backends.byId(id);
    if (backend === undefined || group.length < 2) continue;
    const found = ask(backend, group);
    for (const claimed of group) known.set(claimed, async () => (await found)(claimed));
  }
  return claims.map((claimed) => {
    const one = known.get(claimed);
    return one === undefined ? claimed : { ...claimed, known: one };
  });
}

/** A failure is no answer: `open` asks again and tells it. */
async function ask(backend: Backend, group: readonly Claimed[]): Promise<(claimed: Claimed) => Entry | undefined> {
  const nothing = (): undefined => undefined;
  const asked = performance.now();
  const refs = group.map(({ row }) => productRef(domainOf(row.domain), row.key, Number(row.version)));
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => {
      limit.abort();
      resolve(null);
    }, PATIENCE_MS);
  });
  try {
    const entries = await Promise.race([backend.get(refs, limit.signal).catch(() => null), late]);
    if (entries === null) return nothing;
    const byClaim = new Map(group.map((claimed, i) => [claimed, entries[i]]));
    return (claimed) => {
      const entry = byClaim.get(claimed);
      const fresh = performance.now() - asked < FRESH_MS;
      return fresh && entry !== undefined && entry !== 'unknown' && entry.revision === claimed.row.revision
        ? entry
        : undefined;
    };
  } catch {
    return nothing;
  } finally {
    clearTimeout(timer);
  }
}
