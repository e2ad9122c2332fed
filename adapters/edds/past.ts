import { type Kysely, sql } from 'kysely';
import { ceilToMs, floorToMs } from '../../src/mal/index.js';
import type { TimeWindow } from '../../src/mpd/index.js';
import { nsOf } from './duration.js';
import type { ProductRow } from './entry.js';
import { type JobRow, plannedJob } from './job.js';
import { requestName } from './submit.js';
import type { EddsTables } from './tables.js';

/** What an order wants of the past. */
export interface PastOrder {
  readonly id: string;
  readonly validity: TimeWindow;
}

/**
 * From where to where a request for the past of a selection reaches, ns, the end not included; null when EDDS holds nothing of
 * it. What the catalogue knows the beginning of is not asked for from before.
 */
export function pastWindow(
  row: ProductRow,
  validity: TimeWindow,
  until: bigint,
): { readonly begin: bigint; readonly end: bigint } | null {
  const held = row.record['record.begin'] !== undefined && row.content_start_ns > validity.start;
  const begin = held ? row.content_start_ns : validity.start;
  const last = validity.end < until ? validity.end + 1n : until;
  return begin < last ? { begin, end: last } : null;
}

/** How many requests of at most `longest` ms a window needs. */
export const requestsFor = (window: { readonly begin: bigint; readonly end: bigint }, longest: number): number =>
  Number((window.end - window.begin - 1n) / nsOf(longest)) + 1;

/**
 * Plans, once for each order and selection, the request for what lies before the order came to the present. `present`: the
 * stream or recurring request that the order has joined in this transaction, null when its validity is over. While that one
 * has not begun, neither has the end of the past; see {@link endPast}. Orders that want the same share one request until it
 * is sent.
 */
export async function planPast(
  trx: Kysely<EddsTables>,
  backend: string,
  order: PastOrder,
  row: ProductRow,
  present: Pick<JobRow, 'id' | 'purpose' | 'request_id' | 'covered_ns'> | null,
  now: bigint,
): Promise<boolean> {
  const rows = await trx
    .selectFrom('edds_job')
    .selectAll()
    .where('backend', '=', backend)
    .where('selection', '=', row.key)
    .where('purpose', '=', 'past')
    .where((eb) => eb.or([eb('done', '=', false), sql<boolean>`orders @> ${JSON.stringify([order.id])}::jsonb`]))
    .execute();
  if (rows.some(({ orders }) => orders.includes(order.id))) return false;
  const stream = present?.purpose === 'stream';
  const open = stream && present.request_id === null;
  // Of a recurring request the runs say to the nanosecond where the next one begins.
  const till =
    present === null ? order.validity.end + 1n : stream ? later(present.covered_ns, now) : present.covered_ns;
  const window = pastWindow(row, order.validity, till);
  if (window === null && !open) return false;
  const begin = window?.begin ?? order.validity.start;
  const end = open ? null : window!.end;
  const follows = present?.id ?? null;
  const covered = present?.covered_ns ?? begin;
  const until = order.validity.end;
  for (const other of rows) {
    const unsent = other.request_id === null && other.submitted_ns === null && other.state === 'planned';
    const same = other.begin_ns === begin && (present === null ? other.end_ns === end : other.covered_ns === covered);
    if (!unsent || !same || other.follows !== follows || !(await wantUntil(trx, backend, other.orders, until)))
      continue;
    await trx
      .updateTable('edds_job')
      .set({ orders: JSON.stringify([...other.orders, order.id]) })
      .where('id', '=', other.id)
      .execute();
    return false;
  }
  await trx
    .insertInto('edds_job')
    .values(
      plannedJob({
        ...{ backend, selection: row.key, purpose: 'past', orders: [order.id], begin_ns: begin, end_ns: end },
        ...{ covered_ns: covered, follows, joined_ns: stream && !open ? till : null },
      }),
    )
    .execute();
  return true;
}

async function wantUntil(
  trx: Kysely<EddsTables>,
  backend: string,
  orders: readonly string[],
  until: bigint,
): Promise<boolean> {
  if (orders.length === 0) return false;
  const known = await trx
    .selectFrom('edds_order')
    .select('until_ns')
    .where('backend', '=', backend)
    .where('order_id', 'in', orders)
    .execute();
  return known.length === orders.length && known.every(({ until_ns }) => until_ns === until);
}

/** Orders of a job that get what is before its start by a request of their own. */
export async function ordersOfOpenPast(trx: Kysely<EddsTables>, job: JobRow): Promise<ReadonlySet<string>> {
  const rows = await trx
    .selectFrom('edds_job')
    .select('orders')
    .where('follows', '=', job.id)
    .where('purpose', '=', 'past')
    .where('end_ns', 'is', null)
    .execute();
  return new Set(rows.flatMap(({ orders }) => orders));
}

/** The stream has begun: up to there reaches the past of the orders that waited for it. */
export async function endPast(trx: Kysely<EddsTables>, job: JobRow, startedAt: bigint): Promise<void> {
  const rows = await trx
    .selectFrom('edds_job')
    .select(['id', 'begin_ns'])
    .where('follows', '=', job.id)
    .where('purpose', '=', 'past')
    .where('end_ns', 'is', null)
    .execute();
  for (const { id, begin_ns } of rows) {
    const empty = begin_ns >= startedAt ? { done: true, state: 'done' } : {};
    await trx
      .updateTable('edds_job')
      .set({ end_ns: startedAt, joined_ns: startedAt, covered_ns: startedAt, ...empty })
      .where('id', '=', id)
      .execute();
  }
}

/** Cuts a request that is longer than EDDS allows: it keeps the first stretch, another one takes the rest. */
export async function cutPast(db: Kysely<EddsTables>, job: JobRow, longest: number): Promise<JobRow> {
  const cut = floorToMs(job.begin_ns + nsOf(longest));
  if (job.end_ns === null || job.end_ns <= cut || cut <= job.begin_ns) return job;
  const { id, ...rest } = job;
  await db.transaction().execute(async (trx) => {
    const { orders } = await trx
      .updateTable('edds_job')
      .set({ end_ns: cut })
      .where('id', '=', id)
      .returning('orders')
      .executeTakeFirstOrThrow();
    await trx
      .insertInto('edds_job')
      .values({ ...rest, name: requestName(), orders: JSON.stringify(orders), details: '{}', begin_ns: cut })
      .execute();
  });
  return { ...job, end_ns: cut };
}

/** [begin, end) of a request for the past, in whole milliseconds around it. */
export const pastTimes = (
  job: Pick<JobRow, 'begin_ns' | 'end_ns'>,
): { readonly begin: bigint; readonly end: bigint } => ({
  begin: floorToMs(job.begin_ns),
  end: ceilToMs(job.end_ns!),
});

/** Whether a time is only there because requests are in whole milliseconds. */
export function besidePast(job: Pick<JobRow, 'begin_ns' | 'end_ns'>, time: bigint): boolean {
  const { begin, end } = pastTimes(job);
  return (time >= begin && time < job.begin_ns) || (time >= job.end_ns! && time < end);
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
