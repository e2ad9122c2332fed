import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { decodeTree } from '../../mpd/filter/index.js';
import type { Backend, Upstream } from '../backend.js';
import { backendsFor } from '../catalogue/merge.js';
import type { CoreTables } from '../schema.js';
import type { UpstreamEntry, UpstreamState } from './past.js';

/**
 * Makes the remote side of a backend agree with the orders here: each live order that may concern it is ensured, each ended one
 * cancelled there. Idempotent; run again and again.
 */
export async function reconcileUpstream(
  db: Kysely<CoreTables>,
  backend: Backend & { readonly upstream: Upstream },
  log: Logger,
): Promise<void> {
  const rows = await db
    .selectFrom('standing_order')
    .select(['id', 'owner', 'state', 'tree', 'valid_start_ns', 'valid_end_ns', 'upstream'])
    .where('kind', '=', 'standing')
    .where((eb) =>
      eb.or([
        eb('state', 'in', ['active', 'paused', 'suspended']),
        sql<boolean>`upstream -> ${backend.id} is not null and (upstream -> ${backend.id} ->> 'left') is distinct from 'true'`,
      ]),
    )
    .orderBy('id')
    .execute();
  for (const row of rows) {
    const known = (row.upstream as UpstreamState | null)?.[backend.id];
    const live = row.state === 'active' || row.state === 'paused' || row.state === 'suspended';
    const tree = row.tree === null ? null : decodeTree(row.tree);
    try {
      if (live && backendsFor([backend], tree).length > 0) {
        const id = await backend.upstream.ensure({
          orderId: row.id,
          user: row.owner,
          filter: tree,
          validity:
            row.valid_start_ns === null || row.valid_end_ns === null
              ? null
              : { start: row.valid_start_ns, end: row.valid_end_ns },
          remoteId: known?.id || null,
          ...(known?.past && { readsPast: true }),
        });
        await remember(db, row.id, backend.id, await present(backend.upstream, id, known));
      } else if (!live && known && !known.left) {
        const last = await leave(backend.upstream, known, row.state === 'cancelled');
        await remember(db, row.id, backend.id, { ...last, left: true });
      }
    } catch (error) {
      log.warn({ err: error, orderID: String(row.id), backend: backend.id }, 'the backend did not take the order');
      await db
        .updateTable('standing_order')
        .set({ warning: `${backend.id}: ${(error as Error).message}` })
        .where('id', '=', row.id)
        .execute();
    }
  }
}

async function present(upstream: Upstream, id: string, known: UpstreamEntry | undefined): Promise<UpstreamEntry> {
  const { state, details, jobs, done } = await upstream.status(id);
  return { id, state, details, ...(jobs && { jobs }), ...(known?.past && { past: true, done: done ?? true }) };
}

/** Lets go of an order that has ended; what is known of it stays to be seen. */
async function leave(upstream: Upstream, known: UpstreamEntry, cancelled: boolean): Promise<UpstreamEntry> {
  if (known.state === 'cancelled' || known.id === '') return known;
  const last = cancelled ? known : await present(upstream, known.id, known);
  await upstream.cancel(known.id);
  return cancelled ? { ...last, state: 'cancelled' } : last;
}

const remember = (db: Kysely<CoreTables>, order: bigint, backend: string, status: UpstreamEntry) =>
  sql`update standing_order set upstream = coalesce(upstream, '{}') || jsonb_build_object(${backend}::text, ${JSON.stringify(status)}::jsonb)
    where id = ${order} and (upstream -> ${backend}) is distinct from ${JSON.stringify(status)}::jsonb`.execute(db);
