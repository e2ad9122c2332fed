import type { Kysely, Selectable } from 'kysely';
import type { Health } from '../../src/gateway/backend.js';
import type { ArchiveConfig } from './config.js';
import type { Root } from './root.js';
import type { ArchiveTables, StateTable } from './tables.js';

/** Looks at the folder from here and at the index that whichever gateway scans keeps. @param problem of a scan by this process */
export async function archiveHealth(
  db: Kysely<ArchiveTables>,
  config: ArchiveConfig,
  root: Root,
  problem: string | null,
): Promise<Health> {
  let state: Pick<Selectable<StateTable>, 'products' | 'swept_at'> | undefined;
  try {
    state = await db
      .selectFrom('archive_state')
      .select(['products', 'swept_at'])
      .where('backend', '=', config.id)
      .executeTakeFirst();
  } catch (error) {
    return { ok: false, reason: `the index cannot be read: ${(error as Error).message}` };
  }
  const products = state?.products ?? 0n;
  const here = await root.problem(products);
  if (here !== null) return { ok: false, reason: here };
  if (problem !== null) return { ok: false, reason: problem };
  if (!state?.swept_at) return { ok: true, reason: `${config.path} is being scanned for the first time` };
  const age = Math.max(0, Date.now() - state.swept_at.getTime());
  const seconds = Math.round(age / 1000);
  if (age > 3 * config.sweep + 600_000) {
    return {
      ok: false,
      reason: `${config.path} was last looked through ${seconds} s ago: no gateway scans it any more`,
    };
  }
  return { ok: true, reason: `${products} products in ${config.path}, looked through ${seconds} s ago` };
}
