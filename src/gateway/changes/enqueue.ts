import { type Kysely, sql } from 'kysely';
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
  const json = JSON.stringify(matches, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  const again = {
    never: sql`false`,
    'unless-delivered': sql`delivery.state in ('withdrawn', 'superseded', 'dead')`,
    always: sql`true`,
  }[reopen];
  const { rows } = await sql<Enqueued>`
    insert into delivery (order_id, journal_id, domain, key, revision, method, state, target, deadline_at)
    select m."orderId", m."journalId", j.domain, j.key, j.revision, m.method,
      case when m.method <> 'FILETRANSFER' then 'available' when m.held then 'matched' else 'queued' end,
      m.target, now() + make_interval(secs => m."deadlineSeconds")
    from jsonb_to_recordset(${json}::jsonb) as m("orderId" bigint, "journalId" bigint, method text, target text,
      "deadlineSeconds" integer, held boolean)
    join journal j on j.id = m."journalId"
    order by m."orderId", j.id
    on conflict (order_id, domain, key, revision) do update set
      journal_id = excluded.journal_id, round = delivery.round + 1, state = excluded.state, cause = null,
      error_class = null, attempts = 0, next_at = now(), deadline_at = excluded.deadline_at, target = excluded.target,
      location = null, bytes = null, checksum = null, source_check = null, target_check = null,
      owner = null, until = null, epoch = delivery.epoch + 1, updated_at = now()
    where ${again}
    returning id, order_id, journal_id, round`.execute(tx);
  if (rows.length > 0) await sql`select pg_notify(${DELIVERY_CHANNEL}, '')`.execute(tx);
  return rows;
}
