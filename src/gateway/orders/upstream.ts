import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { decodeTree } from '../../mpd/filter/index.js';
import type { Backend, Upstream } from '../backend.js';
import { backendsFor } from '../catalogue/merge.js';
import type { CoreTables } from '../schema.js';

/** What `standing_order.upstream` holds: by backend, the remote request and its last known state. */
type Known = Readonly<
  Record<
    string,
    { readonly id: string; readonly state: string; readonly details: Readonly<Record<string, string | null>> }
  >
>;

/**
 * Makes the remote side of a backend agree with the orders here: each live order that may concern it is ensured, each ended one
 * cancelled. Idempotent; run again and again.
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
      eb.or([eb('state', 'in', ['active', 'paused', 'suspended']), eb(sql`upstream -> ${backend.id}`, 'is not', null)]),
    )
    .orderBy('id')
    .execute();
  for (const row of rows) {
    const known = (row.upstream as Known | null)?.[backend.id];
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
          remoteId: known?.id ?? null,
        });
        const { state, details } = await backend.upstream.status(id);
        await remember(db, row.id, backend.id, { id, state, details });
      } else if (!live && known && known.state !== 'cancelled' && row.state === 'cancelled') {
        await backend.upstream.cancel(known.id);
        await remember(db, row.id, backend.id, { ...known, state: 'cancelled' });
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

const remember = (db: Kysely<CoreTables>, order: bigint, backend: string, status: Known[string]) =>
  sql`update standing_order set upstream = coalesce(upstream, '{}') || jsonb_build_object(${backend}::text, ${JSON.stringify(status)}::jsonb)
    where id = ${order} and (upstream -> ${backend}) is distinct from ${JSON.stringify(status)}::jsonb`.execute(db);
