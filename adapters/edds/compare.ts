import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { ResponseElement } from '../../src/formats/edds-response/index.js';
import type { Arrivals } from './arrivals.js';
import type { CachedFile, FileCache } from './cache.js';
import type { ProductRow } from './entry.js';
import { means } from './fault.js';
import { collectPackets } from './overlap.js';
import { fetchPart, partKey } from './parts.js';
import type { EddsService } from './service.js';
import type { EddsTables } from './tables.js';

export interface ComparisonOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly service: EddsService;
  readonly cache: FileCache;
  readonly arrivals: Arrivals;
  readonly log: Logger;
}

/** What parts hold that were taken before: another one that may hold the same is compared with them. */
export function comparison({ db, backend, service, cache, arrivals, log }: ComparisonOptions) {
  /** The file of a part, wherever it is to be had. */
  const fileOf = async (row: ProductRow, signal: AbortSignal): Promise<CachedFile | null> => {
    const there = await cache.get(partKey(row.request_id!, row.ordinal!));
    if (there !== null) return there;
    if (row.record['part.placedFor'] !== undefined) return arrivals.fetch(row, signal);
    const fetched = await fetchPart(service, cache, row.request_id!, row.ordinal!, signal).catch((error: unknown) => {
      if (means(error, 'expired', 'unknownRequest')) return 'missing' as const;
      throw error;
    });
    return typeof fetched === 'string' ? null : fetched.file;
  };

  return {
    /** Asks for parts `p` of a selection, with the job `j` of each. */
    partsOf: (selection: string) =>
      db
        .selectFrom('edds_product as p')
        .innerJoin('edds_job as j', (join) =>
          join.onRef('j.backend', '=', 'p.backend').onRef('j.request_id', '=', 'p.request_id'),
        )
        .selectAll('p')
        .where('p.backend', '=', backend)
        .where('p.kind', '=', 'part')
        .where('j.selection', '=', selection),

    /** Identities of the elements in these parts, or of those that are wanted. */
    async keysOf(
      rows: readonly ProductRow[],
      signal: AbortSignal,
      wanted?: (element: ResponseElement) => boolean,
    ): Promise<Set<string>> {
      const keys = new Set<string>();
      for (const row of rows) {
        const file = await fileOf(row, signal);
        if (file === null)
          log.warn({ key: row.key }, 'a part to compare with is no longer at EDDS; packets may come twice');
        else await collectPackets(file, keys, wanted);
      }
      return keys;
    },
  };
}

export type Comparison = ReturnType<typeof comparison>;
