import { type Kysely, sql } from 'kysely';
import type { Backend, BackendQuery, Change } from '../backend.js';
import type { CoreTables } from '../schema.js';
import { BATCH, type Intake } from './intake.js';

export const EVERYTHING: BackendQuery = { filter: null, created: null, content: null, updated: null };

/**
 * First contact with a backend: remembers where its feed stands, then takes what it holds as history. Killed half way it is
 * done again from the same place in the feed, so what came meanwhile is still new.
 */
export async function importBackend(
  db: Kysely<CoreTables>,
  backend: Backend,
  intake: Intake,
  signal: AbortSignal,
): Promise<void> {
  const state = await db
    .selectFrom('backend_state')
    .select(['cursor', 'imported_at'])
    .where('backend', '=', backend.id)
    .executeTakeFirstOrThrow();
  if (state.imported_at !== null) return;
  if (state.cursor === null) {
    const { cursor } = await backend.follow({ cursor: null, interest: null }, { signal });
    await sql`update backend_state set cursor = ${cursor}, contact_ns = (extract(epoch from clock_timestamp()) * 1000000)::bigint * 1000
      where backend = ${backend.id} and cursor is null`.execute(db);
  }
  let sweptNs = 0n;
  for await (const batch of listChanges(backend, EVERYTHING, signal)) {
    for (const { entry } of batch) if (entry.updatedAt > sweptNs) sweptNs = entry.updatedAt;
    await intake.take(batch, 'history');
  }
  await intake.take([], 'history', { imported: true, sweptNs });
}

/** What a backend lists, as changes in batches. */
export async function* listChanges(
  backend: Backend,
  query: BackendQuery,
  signal: AbortSignal,
): AsyncIterable<readonly Exclude<Change, { kind: 'removed' }>[]> {
  let batch: Exclude<Change, { kind: 'removed' }>[] = [];
  for await (const { entry } of backend.list(query, { order: 'updated', limit: BATCH, signal })) {
    batch.push({ kind: 'new', entry });
    if (batch.length >= BATCH) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
