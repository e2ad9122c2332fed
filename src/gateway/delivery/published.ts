import { type Kysely, sql } from 'kysely';
import { withRetry } from '../../store/index.js';
import type { Deliveries, Publication } from '../api.js';
import { type RecordColumn, recordset } from '../recordset.js';
import type { CoreTables } from '../schema.js';

/** Rows in one statement. */
const STEP = 2000;

/**
 * What subscribers of service orders were sent. Each gateway adds those it sent to; a row that was acknowledged stays so, and one
 * that was opened again since (a later round) is not touched. Sent is not received: nothing here calls a row verified.
 */
export function createPublished(db: Kysely<CoreTables>): Pick<Deliveries, 'published'> {
  return {
    async published(publications) {
      // In one order everywhere, so that gateways do not wait for each other in a circle.
      const rows = [...publications].sort((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1));
      for (let i = 0; i < rows.length; i += STEP) {
        const part = rows.slice(i, i + STEP);
        await withRetry(db, async (tx) => {
          await sql`
            update delivery d set published = d.published + p.subscribers,
              state = case when d.state in ('available', 'tooLarge') then coalesce(p.state, 'published') else d.state end,
              cause = case when d.state in ('available', 'tooLarge') then p.cause else d.cause end, updated_at = now()
            from ${recordset(part, COLUMNS, 'p')}
            where d.id = p.id and d.round = p.round and ${OPEN}`.execute(tx);
        });
      }
    },
  };
}

/**
 * As a case, of which the server assumes half of the rows: from statistics of before a burst it concludes that hardly any row
 * is in these states, reads them all, and compares each with each publication.
 */
const OPEN = sql`
  case when d.method <> 'FILETRANSFER' and d.state in ('available', 'published', 'tooLarge', 'acknowledged') then true
    else false end`;

const COLUMNS: readonly RecordColumn<Publication>[] = [
  { name: 'id', type: 'bigint', of: ({ deliveryId }) => deliveryId },
  { name: 'round', type: 'integer', of: ({ round }) => round },
  { name: 'subscribers', type: 'integer', of: ({ subscribers }) => subscribers },
  { name: 'state', type: 'text', of: ({ tooLarge }) => (tooLarge === null ? null : 'tooLarge') },
  { name: 'cause', type: 'text', of: ({ tooLarge }) => tooLarge },
];
