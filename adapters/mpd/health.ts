import type { Kysely } from 'kysely';
import type { Health } from '../../src/gateway/backend.js';
import type { MpdConfig } from './config.js';
import { FIRST_MS } from './scanner.js';
import type { MpdService } from './service.js';
import type { MpdTables } from './tables.js';

const NOTHING = { start: FIRST_MS * 1_000_000n, end: FIRST_MS * 1_000_000n };

/** Asks the provider for what there cannot be, and looks at the index that whichever gateway reads it keeps. */
export async function mpdHealth(
  db: Kysely<MpdTables>,
  config: MpdConfig,
  service: Pick<MpdService, 'list'>,
  closing: AbortSignal,
): Promise<Health> {
  try {
    await service.list({ domain: null, created: NOTHING }, AbortSignal.any([closing, AbortSignal.timeout(10_000)]));
  } catch (error) {
    return { ok: false, reason: `the provider at ${config.url} does not answer: ${(error as Error).message}` };
  }
  const state = await db
    .selectFrom('mpd_state')
    .select(['read_at', 'problem'])
    .where('backend', '=', config.id)
    .executeTakeFirst();
  if (state?.problem) return { ok: false, reason: `${config.url} could not be listed: ${state.problem}` };
  if (!state?.read_at) return { ok: true, reason: `${config.url} answers and is being listed for the first time` };
  const seconds = Math.max(0, Math.round((Date.now() - state.read_at.getTime()) / 1000));
  return { ok: true, reason: `${config.url} answers; everything was last listed ${seconds} s ago` };
}
