import type { Kysely } from 'kysely';
import type { Log } from '../../store/log.js';
import type { CoreTables } from '../schema.js';
import { renewRows } from './queue.js';
import type { DeliveryRow, TargetPath } from './rows.js';

/** A row under lease in this process. */
export interface Held {
  readonly row: DeliveryRow;
  path: TargetPath | null;
  readonly abort: AbortController;
  renewed: number;
}

/** Why a transfer was broken off from outside. */
export class LeaseLost extends Error {}

/** All rows this process holds, renewed together at every third of the lease, broken off at two thirds without an answer. */
export interface HeldRows {
  readonly size: number;
  add(rows: readonly DeliveryRow[], since: number): readonly Held[];
  remove(id: bigint): void;
  /** Renews now: finds at once what was withdrawn. */
  beat(): void;
  abortAll(reason: Error): void;
  close(): Promise<void>;
}

export function holdRows(db: Kysely<CoreTables>, owner: string, ttlMs: number, log: Log): HeldRows {
  const held = new Map<bigint, Held>();
  let beating: Promise<void> | null = null;
  let again = false;

  async function renew(): Promise<void> {
    const rows = [...held.values()];
    if (rows.length === 0) return;
    const asked = performance.now();
    const ours = await renewRows(
      db,
      owner,
      ttlMs,
      rows.map(({ row, path }) => ({ id: row.id, epoch: row.epoch, path })),
    );
    for (const item of rows)
      if (ours.has(item.row.id)) item.renewed = asked;
      else if (held.get(item.row.id) === item) lose(item, 'the row was withdrawn or went to another worker');
  }

  const lose = (item: Held, reason: string): void => {
    if (item.abort.signal.aborted) return;
    log.info({ delivery: String(item.row.id), epoch: String(item.row.epoch) }, `transfer broken off: ${reason}`);
    item.abort.abort(new LeaseLost(reason));
  };

  const beat = (): void => {
    if (beating !== null) {
      again = true;
      return;
    }
    beating = renew()
      .catch((err) => log.warn({ err }, 'leases could not be renewed'))
      .finally(() => {
        beating = null;
        if (!again) return;
        again = false;
        beat();
      });
  };
  const beats = setInterval(beat, ttlMs / 3);
  const watch = setInterval(() => {
    const limit = performance.now() - (ttlMs * 2) / 3;
    for (const item of held.values()) if (item.renewed < limit) lose(item, 'its lease could not be renewed in time');
  }, ttlMs / 15);

  return {
    get size() {
      return held.size;
    },
    add: (rows, since) =>
      rows.map((row) => {
        const item: Held = { row, path: null, abort: new AbortController(), renewed: since };
        held.set(row.id, item);
        return item;
      }),
    remove: (id) => void held.delete(id),
    beat,
    abortAll(reason) {
      for (const item of held.values()) item.abort.abort(reason);
    },
    async close() {
      clearInterval(beats);
      clearInterval(watch);
      again = false;
      await beating;
    },
  };
}
