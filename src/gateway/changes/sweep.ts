import { type Kysely, sql } from 'kysely';
import { MAX_TIME } from '../../mal/index.js';
import type { Backend, Change } from '../backend.js';
import type { CoreTables } from '../schema.js';
import { domainOf, domainText, productRef } from '../values.js';
import { EVERYTHING, listChanges } from './import.js';
import { BATCH, type Intake } from './intake.js';

/** Finds what a feed missed: lists by update time again, from a little before the newest seen. */
export async function sweepRecent(
  db: Kysely<CoreTables>,
  backend: Backend,
  intake: Intake,
  overlapNs: bigint,
  signal: AbortSignal,
): Promise<number> {
  const { swept_ns } = await db
    .selectFrom('backend_state')
    .select('swept_ns')
    .where('backend', '=', backend.id)
    .executeTakeFirstOrThrow();
  let sweptNs = swept_ns ?? 0n;
  const query = { ...EVERYTHING, updated: { start: sweptNs - overlapNs, end: MAX_TIME } };
  let found = 0;
  for await (const batch of listChanges(backend, query, signal)) {
    for (const { entry } of batch) if (entry.updatedAt > sweptNs) sweptNs = entry.updatedAt;
    found += await intake.take(batch, 'sweep', { sweptNs });
  }
  return found;
}

/**
 * Compares everything a backend holds with the journal: what the journal has and the listing has not is asked for by
 * reference, and removed when the backend does not know it.
 */
export async function sweepAll(
  db: Kysely<CoreTables>,
  backend: Backend,
  intake: Intake,
  signal: AbortSignal,
): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db);
  const started = rows[0]!.now;
  const seen = new Set<string>();
  let found = 0;
  for await (const batch of listChanges(backend, EVERYTHING, signal)) {
    for (const { entry } of batch) seen.add(idOf(entry.metadata.productRef));
    found += await intake.take(batch, 'sweep');
  }
  let after = 0n;
  for (;;) {
    const known = await db
      .selectFrom('journal')
      .select(['id', 'domain', 'key', 'version'])
      .where('backend', '=', backend.id)
      .where('current', '=', true)
      .where('removed_at', 'is', null)
      .where('seen_at', '<', started)
      .where('id', '>', after)
      .orderBy('id')
      .limit(BATCH)
      .execute();
    if (known.length === 0) return found;
    after = known.at(-1)!.id;
    const absent = known
      .map((row) => productRef(domainOf(row.domain), row.key, Number(row.version)))
      .filter((ref) => !seen.has(idOf(ref)));
    if (absent.length === 0) continue;
    const answers = await backend.get(absent, signal);
    const removed = absent.filter((_, i) => answers[i] === 'unknown').map((ref): Change => ({ kind: 'removed', ref }));
    found += await intake.take(removed, 'sweep');
  }
}

const idOf = (ref: { readonly domain: readonly string[]; readonly key: string }): string =>
  `${domainText(ref.domain)} ${ref.key}`;
