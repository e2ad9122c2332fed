import { type Kysely, sql } from 'kysely';
import { later } from '../../store/index.js';
import type { CoreTables } from '../schema.js';
import type { Targets } from '../targets.js';

interface Orphan {
  readonly target: string;
  readonly path: string;
  readonly delivery_id: bigint;
  readonly epoch: bigint;
  readonly filename: string;
  readonly deliver_to: string;
  readonly secret: Uint8Array | null;
}

const BATCH = 50;
/** How long a path is left alone whose target could not be cleaned. */
const AGAIN_MS = 600_000;

/**
 * Paths whose sender was lost and whose row has ended meanwhile (its order was cancelled, its product removed): nobody will
 * come back for what was begun there. Removes the temporary file, then lets the path go. Answers how many paths.
 */
export async function reapPaths(
  db: Kysely<CoreTables>,
  targets: Targets,
  storeId: string,
  signal: AbortSignal,
): Promise<number> {
  const { rows } = await sql<Orphan>`
    with orphans as (
      select p.target, p.path from target_path p join delivery d on d.id = p.delivery_id
      where p.until <= now() and d.state not in ('queued', 'sending', 'landed') limit ${BATCH} for update of p skip locked)
    update target_path p set until = ${later(AGAIN_MS)} from orphans o, delivery d, standing_order s
    where p.target = o.target and p.path = o.path and d.id = p.delivery_id and s.id = d.order_id
    returning p.target, p.path, p.delivery_id, p.epoch, d.filename, s.deliver_to, s.secret`.execute(db);
  let reaped = 0;
  for (const { target, path, delivery_id, epoch, filename, deliver_to, secret } of rows) {
    try {
      const destination = targets.resolve(deliver_to, secret);
      await destination.target.clean(destination.uri, filename, `${storeId}-${delivery_id}`, signal);
    } catch {
      // It does not answer, or is no longer allowed: tried again later.
      continue;
    }
    await sql`
      with emptied as (
        delete from target_path where target = ${target} and path = ${path} and delivery_id = ${delivery_id}
          and epoch = ${epoch} and revision = '')
      update target_path set until = null where target = ${target} and path = ${path} and delivery_id = ${delivery_id}
        and epoch = ${epoch} and revision <> ''`.execute(db);
    reaped++;
  }
  return reaped;
}
