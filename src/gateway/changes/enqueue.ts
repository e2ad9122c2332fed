import { type Kysely, type RawBuilder, sql } from 'kysely';
import { EVENT_CHANNEL } from '../events/append.js';
import { type RecordColumn, recordset } from '../recordset.js';
import type { CoreTables, OrderMethod } from '../schema.js';

/** A product that an order matched. */
export interface Match {
  readonly orderId: bigint;
  readonly journalId: bigint;
  readonly method: OrderMethod;
  /** scheme://host of deliverTo; null for service orders. */
  readonly target: string | null;
  readonly deadlineSeconds: number;
  /** Not to be sent yet: the order is paused or suspended. */
  readonly held: boolean;
}

/** What becomes of a ledger row that is already there. */
export type Reopen = 'never' | 'unless-delivered' | 'always';

export interface Enqueued {
  readonly id: bigint;
  readonly order_id: bigint;
  readonly journal_id: bigint;
  readonly round: number;
}

/** Channel on which delivery workers are woken; the table is the truth. */
export const DELIVERY_CHANNEL = 'mpd_delivery';

/**
 * Writes ledger rows, one per (order, domain, key, revision); one that is there is opened again with `round + 1` as `reopen`
 * says, and its epoch raised so that a worker still on it writes nothing more. Answers the rows written.
 */
export async function enqueue(
  tx: Kysely<CoreTables>,
  matches: readonly Match[],
  reopen: Reopen,
): Promise<readonly Enqueued[]> {
  if (matches.length === 0) return [];
  const { rows } = await sql<Enqueued>`
    with written as (${insertion(matches, reopen)})
    select id, order_id, journal_id, round from written`.execute(tx);
  if (rows.length > 0) await wakeWorkers(tx, matches);
  return rows;
}

/** The same, with the event of each row written, in the order of orders, then journal. Answers how many. */
export async function enqueueAndTell(
  tx: Kysely<CoreTables>,
  matches: readonly Match[],
  reopen: Reopen,
): Promise<number> {
  if (matches.length === 0) return 0;
  const { rows } = await sql<{ n: bigint }>`
    with written as (${insertion(matches, reopen)}),
    told as (
      insert into event (type, order_id, owner, domain, journal_id, delivery_id, payload)
      select case w.method when 'FILETRANSFER' then 'matched' else 'available' end, w.order_id, o.owner, w.domain,
        w.journal_id, w.id, jsonb_build_object('key', w.key, 'method', w.method, 'round', w.round)
      from written w join standing_order o on o.id = w.order_id
      order by w.order_id, w.journal_id)
    select count(*) as n, pg_notify(${EVENT_CHANNEL}, '') from written having count(*) > 0`.execute(tx);
  const count = Number(rows[0]?.n ?? 0n);
  if (count > 0) await wakeWorkers(tx, matches);
  return count;
}

/** `offset 0`: journal rows are fetched one by one by their id; the server would rather read a whole small journal. */
function insertion(matches: readonly Match[], reopen: Reopen): RawBuilder<unknown> {
  const again = {
    never: sql`false`,
    'unless-delivered': sql`delivery.state in ('withdrawn', 'superseded', 'dead')`,
    always: sql`true`,
  }[reopen];
  return sql`
    insert into delivery (order_id, journal_id, domain, key, revision, method, state, target, deadline_at)
    select m.order_id, m.journal_id, j.domain, j.key, j.revision, m.method,
      case when m.method <> 'FILETRANSFER' then 'available' when m.held then 'matched' else 'queued' end,
      m.target, now() + make_interval(secs => m.deadline_s)
    from ${recordset(matches, COLUMNS, 'm')} cross join lateral (select * from journal where id = m.journal_id offset 0) j
    order by m.order_id, j.id
    on conflict (order_id, domain, key, revision) do update set
      journal_id = excluded.journal_id, round = delivery.round + 1, state = excluded.state, cause = null,
      error_class = null, attempts = 0, next_at = now(), deadline_at = excluded.deadline_at, target = excluded.target,
      location = null, bytes = null, checksum = null, source_check = null, target_check = null, published = 0,
      owner = null, until = null, epoch = delivery.epoch + 1, updated_at = now()
    where ${again}
    returning id, order_id, journal_id, domain, key, method, round`;
}

const COLUMNS: readonly RecordColumn<Match>[] = [
  { name: 'order_id', type: 'bigint', of: ({ orderId }) => orderId },
  { name: 'journal_id', type: 'bigint', of: ({ journalId }) => journalId },
  { name: 'method', type: 'text', of: ({ method }) => method },
  { name: 'target', type: 'text', of: ({ target }) => target },
  { name: 'deadline_s', type: 'integer', of: ({ deadlineSeconds }) => deadlineSeconds },
  { name: 'held', type: 'boolean', of: ({ held }) => held },
];

/** Rows of service orders have no worker. */
async function wakeWorkers(tx: Kysely<CoreTables>, matches: readonly Match[]): Promise<void> {
  if (matches.some(({ method }) => method === 'FILETRANSFER'))
    await sql`select pg_notify(${DELIVERY_CHANNEL}, '')`.execute(tx);
}
