import { type Kysely, sql } from 'kysely';
import { MpdError } from '../../mpd/index.js';
import { withRetry } from '../../store/index.js';
import type { Backend, Change } from '../backend.js';
import { crashPoint } from '../crash-point.js';
import type { LiveOrders } from '../orders/live.js';
import type { CoreTables } from '../schema.js';
import { type JournalMode, writeJournal } from './journal.js';
import { matchChanges, withdrawRemoved } from './match.js';

/** What a batch also settles, in the same transaction. */
export interface Progress {
  readonly cursor?: string;
  readonly imported?: boolean;
  readonly sweptNs?: bigint;
}

/** Takes changes of one backend into journal, ledger and events. */
export interface Intake {
  /**
   * One transaction: journal rows, ledger rows of every matching order, events, and `progress`. Answers how many changes
   * counted. Fails when another gateway has taken the backend over since `epoch`.
   */
  take(changes: readonly Change[], source: JournalMode['source'], progress?: Progress): Promise<number>;
}

/** Changes of one transaction where they are listed page by page. */
export const BATCH = 500;
/** Most changes in one transaction: a backlog goes in larger steps, which cost less each. */
export const MOST = 2000;

export function createIntake(db: Kysely<CoreTables>, backend: Backend, liveOrders: LiveOrders, epoch: bigint): Intake {
  const ordered = backend.capabilities.feed === 'durable';
  return {
    async take(changes, source, progress = {}) {
      crashPoint('before-intake');
      const counted = await withRetry(db, async (tx) => {
        const state = await lockState(tx, backend.id, epoch);
        const contactNs = ordered ? null : state.contact_ns;
        const mode: JournalMode = { source, ordered: ordered && source === 'feed', contactNs };
        const { changes: journaled, removed } = await writeJournal(tx, backend.id, changes, mode, state.now_ns);
        crashPoint('after-journal');
        if (journaled.length > 0) await matchChanges(tx, await liveOrders.read(tx), journaled, state.now_ns);
        await withdrawRemoved(tx, removed);
        crashPoint('after-match');
        await tx
          .updateTable('backend_state')
          .set({
            ready_ns: state.now_ns,
            ...(progress.cursor !== undefined && { cursor: progress.cursor }),
            ...(progress.imported && { imported_at: sql<Date>`now()` }),
            ...(progress.sweptNs !== undefined && { swept_ns: progress.sweptNs }),
          })
          .where('backend', '=', backend.id)
          .execute();
        return journaled.length + removed.length;
      });
      crashPoint('after-intake');
      return counted;
    },
  };
}

/** The backend's row, held until the transaction ends: one writer a backend. Its clock never goes back. */
async function lockState(
  tx: Kysely<CoreTables>,
  backend: string,
  epoch: bigint,
): Promise<{ readonly contact_ns: bigint | null; readonly now_ns: bigint }> {
  const { rows } = await sql<{ epoch: bigint; contact_ns: bigint | null; now_ns: bigint }>`
    select epoch, contact_ns,
      greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint * 1000, ready_ns + 1) as now_ns
    from backend_state where backend = ${backend} for update`.execute(tx);
  const row = rows[0];
  if (!row || row.epoch !== epoch)
    throw new MpdError('Incorrect State', {
      class: 'refuse',
      message: `another gateway follows backend ${backend} now`,
    });
  return row;
}
