import { type FileRecord, recordOf } from './entry.js';
import { findIds } from './get.js';
import { olderNamesakes } from './namesakes.js';
import { type Index, readPages } from './pages.js';
import { alwaysClauses } from './query.js';
import type { Hit } from './search.js';
import type { Seen } from './seen.js';

const COMPARE = 1000;

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
  const source = [fields.id, fields.url, fields.updated, fields.package, fields.etag, fields.size, fields.fullName];

  const capMs = (): bigint => now() / 1_000_000n;

  const page = { position: null, size: config.elasticsearch.pageSize, source };

  /** Takes down the products among the hits. What a newer document of the same name stands for is gone. */
  async function note(
    hits: readonly Hit[],
    signal: AbortSignal,
  ): Promise<{ readonly records: readonly FileRecord[]; readonly namesakes: boolean }> {
    const catalogue = await index.catalogue.current(signal);
    const older = await olderNamesakes(index, hits, signal);
    const records = hits
      .map((hit) => recordOf(hit, catalogue, config))
      .filter((record) => record !== null && !older.has(record.id)) as readonly FileRecord[];
    await seen.note(records, capMs());
    if (older.size > 0) {
      await seen.namesakesFound();
      await seen.gone([...older]);
    }
    return { records, namesakes: older.size > 0 };
  }

  return {
    async recent(overlapMs, signal) {
      const { aliases } = await index.catalogue.current(signal);
      const { polledMs } = await seen.state();
      const from = Number(polledMs) - Math.round(overlapMs);
      const since = { range: { [fields.updated]: { gte: from, format: 'epoch_millis' } } };
      const filter = from > 0 ? [...alwaysClauses(config), since] : alwaysClauses(config);
      const pages = readPages(index, { ...page, aliases, filter, time: fields.updated, signal });
      for await (const hits of pages) await note(hits, signal);
    },
    async named(ids, signal) {
      const found = await findIds(index, ids, signal);
      await note([...found.values()], signal);
      return ids.filter((id) => !found.has(id));
    },
    async all(signal) {
      const { aliases } = await index.catalogue.current(signal);
      // Index and table go side by side in the order of ids: what the table has between two documents is no longer there.
      const pages = readPages(index, { ...page, aliases, filter: alwaysClauses(config), time: null, signal });
      let after = '';
      let any = false;
      for await (const hits of pages) {
        const { records, namesakes } = await note(hits, signal);
        any ||= namesakes;
        const last = String(hits.at(-1)?.sort?.[0] ?? '');
        await missingBetween(after, last, new Set(records.map(({ id }) => id)), signal);
        after = last;
      }
      await missingBetween(after, null, new Set(), signal);
      await seen.swept(any);
    },
  };

  async function missingBetween(from: string, to: string | null, present: ReadonlySet<string>, signal: AbortSignal) {
    for (let after = from; ; ) {
      const known = await seen.idsBetween(after, to, COMPARE);
      const last = known.at(-1);
      if (last === undefined) return;
      after = last;
      const absent = known.filter((id) => !present.has(id));
      if (absent.length === 0) continue;
      // The pages may be older than the table: asked again before it counts.
      const found = await findIds(index, absent, signal);
      const gone = absent.filter((id) => !found.has(id));
      if (gone.length > 0) await seen.gone(gone);
    }
  }
}
