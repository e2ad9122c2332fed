import { type Kysely, sql } from 'kysely';
import type { CoreTables, EventType } from '../schema.js';

export interface NewEvent {
  readonly type: EventType;
  readonly orderId: bigint | null;
  readonly owner: string | null;
  /** As `domainText` writes it. */
  readonly domain: string | null;
  readonly journalId: bigint | null;
  readonly deliveryId: bigint | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Channel on which readers are woken; the table is the truth. */
export const EVENT_CHANNEL = 'mpd_event';

/** Writes events in the caller's transaction: they are seen when it commits, or never. */
export async function appendEvents(tx: Kysely<CoreTables>, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  await sql`
    insert into event (type, order_id, owner, domain, journal_id, delivery_id, payload)
    select type, "orderId", owner, domain, "journalId", "deliveryId", payload
    from jsonb_to_recordset(${rows}::jsonb) as e(
      type text, "orderId" bigint, owner text, domain text, "journalId" bigint, "deliveryId" bigint, payload jsonb)
  `.execute(tx);
  await sql`select pg_notify(${EVENT_CHANNEL}, '')`.execute(tx);
}
