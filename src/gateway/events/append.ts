import { type Kysely, sql } from 'kysely';
import { type RecordColumn, recordset } from '../recordset.js';
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
  await sql`
    with written as (
      insert into event (type, order_id, owner, domain, journal_id, delivery_id, payload)
      select type, order_id, owner, domain, journal_id, delivery_id, payload from ${recordset(events, COLUMNS, 'e')})
    select pg_notify(${EVENT_CHANNEL}, '')`.execute(tx);
}

const COLUMNS: readonly RecordColumn<NewEvent>[] = [
  { name: 'type', type: 'text', of: ({ type }) => type },
  { name: 'order_id', type: 'bigint', of: ({ orderId }) => orderId },
  { name: 'owner', type: 'text', of: ({ owner }) => owner },
  { name: 'domain', type: 'text', of: ({ domain }) => domain },
  { name: 'journal_id', type: 'bigint', of: ({ journalId }) => journalId },
  { name: 'delivery_id', type: 'bigint', of: ({ deliveryId }) => deliveryId },
  { name: 'payload', type: 'jsonb', of: ({ payload }) => JSON.stringify(payload, bigintText) },
];

const bigintText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
