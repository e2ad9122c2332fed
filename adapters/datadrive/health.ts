import type { Health } from '../../src/gateway/backend.js';
import type { Index } from './pages.js';
import { alwaysClauses } from './query.js';
import { foundIn } from './search.js';
import type { ByteSource } from './source.js';

/** Which index, alias, field and bucket resolve and which do not, for an operator. */
export async function dataDriveHealth(index: Index, bytes: ByteSource): Promise<Health> {
  const { config, search } = index;
  const signal = AbortSignal.timeout(Math.min(config.elasticsearch.timeout, 10_000));
  try {
    const { aliases, tables, typesOf } = await index.catalogue.current(signal);
    const faults: string[] = [];
    for (const field of new Set([config.fields.id, config.fields.updated, config.fields.created, config.fields.url]))
      for (const alias of aliases)
        if (!tables.get(alias)?.has(field)) faults.push(`alias ${alias} has no field ${field}`);
    const path = aliases.map(encodeURIComponent).join(',');
    const body = { size: 0, track_total_hits: true, query: { bool: { filter: alwaysClauses(config) } } };
    const count = foundIn((await search.search(`/${path}/_search`, body, signal)).hits);
    faults.push(...(await bytes.check(signal)));
    const types = [...typesOf.values()].flat();
    const reason = `${count} files of ${types.length} object types under ${aliases.length} aliases (${aliases.join(', ')})`;
    if (faults.length > 0) return { ok: false, reason: `${faults.join('; ')}. Found: ${reason}` };
    return { ok: true, reason };
  } catch (error) {
    return { ok: false, reason: `${config.elasticsearch.url}: ${(error as Error).message}` };
  }
}
