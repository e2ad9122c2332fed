import { type FileRecord, recordOf } from './entry.js';
import { findIds, type Index, readPages } from './list.js';
import { alwaysClauses } from './query.js';
import type { Hit } from './search.js';
import type { Seen } from './seen.js';

const COMPARE = 500;

/** Looks for what the index has that was not seen. */
export interface Poller {
  /** Documents updated since the newest seen, and so much before it. */
  recent(overlapMs: number, signal: AbortSignal): Promise<void>;
  /** These documents, whatever their times: an event named them. Answers those that are not in the index. */
  named(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Every document, and what was seen but is no longer there. */
  all(signal: AbortSignal): Promise<void>;
}

export function createPoller(index: Index, seen: Seen, now: () => bigint): Poller {
  const { config } = index;
  const { fields } = config;
  const source = [fields.id, fields.url, fields.updated, fields.package, fields.etag, fields.size];

  const capMs = (): bigint => now() / 1_000_000n;

  async function scan(sinceMs: bigint | null, signal: AbortSignal): Promise<void> {
    const { aliases } = await index.catalogue.current(signal);
    const since = { range: { [fields.updated]: { gte: Number(sinceMs), format: 'epoch_millis' } } };
    const filter = [...alwaysClauses(config), ...(sinceMs === null ? [] : [since])];
    const size = config.elasticsearch.pageSize;
    const request = { aliases, filter, time: fields.updated, position: null, size, signal, source };
    for await (const hits of readPages(index, request)) await seen.note(await recordsOf(hits, signal), capMs());
  }

  async function recordsOf(hits: readonly Hit[], signal: AbortSignal): Promise<readonly FileRecord[]> {
    const catalogue = await index.catalogue.current(signal);
    return hits.map((hit) => recordOf(hit, catalogue, config)).filter((record) => record !== null);
  }

  return {
    async recent(overlapMs, signal) {
      const { polledMs } = await seen.state();
      const from = polledMs - BigInt(Math.round(overlapMs));
      await scan(from > 0n ? from : null, signal);
    },
    async named(ids, signal) {
      const found = await findIds(index, ids, signal);
      await seen.note(await recordsOf([...found.values()], signal), capMs());
      return ids.filter((id) => !found.has(id));
    },
    async all(signal) {
      await scan(null, signal);
      for (let after = ''; ; ) {
        const ids = await seen.idsAfter(after, COMPARE);
        const last = ids.at(-1);
        if (last === undefined) break;
        after = last;
        const found = await findIds(index, ids, signal);
        const gone = ids.filter((id) => !found.has(id));
        if (gone.length > 0) await seen.gone(gone);
      }
      await seen.swept();
    },
  };
}
