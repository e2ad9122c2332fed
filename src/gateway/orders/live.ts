import { type Kysely, sql } from 'kysely';
import { compileSight } from '../access/sight.js';
import type { Entry } from '../backend.js';
import type { CoreTables, OrderMethod, OrderState } from '../schema.js';
import { readsPast } from './past.js';
import { targetOrigin } from './target-origin.js';

/** A standing order ready to be matched. */
export interface LiveOrder {
  readonly id: bigint;
  readonly owner: string;
  readonly state: OrderState;
  readonly method: OrderMethod;
  readonly target: string | null;
  readonly deadlineSeconds: number;
  readonly pausePolicy: 'hold' | 'skip';
  readonly validStartNs: bigint | null;
  readonly validEndNs: bigint | null;
  /** The order's filter, its owner's policy, and for whom the product was made; not its validity. */
  readonly matches: (entry: Pick<Entry, 'metadata' | 'path' | 'madeFor' | 'joinedBy'>) => boolean;
}

const ORDER_LOCK = 0x4d50_4401;

/**
 * Taken by whoever changes what orders match (submit, cancel, pause, policies): waits for matching under way and makes
 * later matching see the change. So a product is either before the order or matched by it, never between.
 */
export async function lockOrders(tx: Kysely<CoreTables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${ORDER_LOCK}), nextval('order_change')`.execute(tx);
}

export interface LiveOrders {
  /** Orders to match in this transaction, under the shared side of {@link lockOrders}. */
  read(tx: Kysely<CoreTables>): Promise<readonly LiveOrder[]>;
}

/** Compiles each order once and keeps it until anything about orders changes. */
export function createLiveOrders(): LiveOrders {
  let known: bigint | null = null;
  let orders: readonly LiveOrder[] = [];
  return {
    async read(tx) {
      await sql`select pg_advisory_xact_lock_shared(${ORDER_LOCK})`.execute(tx);
      const { rows } = await sql<{ last_value: bigint }>`select last_value from order_change`.execute(tx);
      const version = rows[0]!.last_value;
      if (version !== known) {
        orders = await load(tx);
        known = version;
      }
      return orders;
    },
  };
}

async function load(tx: Kysely<CoreTables>): Promise<readonly LiveOrder[]> {
  const rows = await selectLive(tx)
    .where('o.kind', '=', 'standing')
    .where('o.state', 'in', ['active', 'paused', 'suspended'])
    .execute();
  return rows.map(compileOrder);
}

/** The order in whatever state, for backfill and completeness. */
export async function loadLiveOrder(db: Kysely<CoreTables>, id: bigint): Promise<LiveOrder | undefined> {
  const row = await selectLive(db).where('o.id', '=', id).executeTakeFirst();
  return row && compileOrder(row);
}

const selectLive = (db: Kysely<CoreTables>) =>
  db
    .selectFrom('standing_order as o')
    .innerJoin('principal as p', 'p.id', 'o.owner')
    .select([
      'o.id',
      'o.owner',
      'o.state',
      'o.method',
      'o.deliver_to',
      'o.deadline_s',
      'o.pause_policy',
      'o.valid_start_ns',
      'o.valid_end_ns',
      'o.tree',
      'o.upstream',
      'p.policy',
    ]);

type Row = Awaited<ReturnType<ReturnType<typeof selectLive>['execute']>>[number];

const compileOrder = (row: Row): LiveOrder => {
  const sees = compileSight(row.tree, row.policy);
  const past = readsPast(row.upstream);
  return {
    id: row.id,
    owner: row.owner,
    state: row.state,
    method: row.method,
    target: row.deliver_to === null ? null : targetOrigin(row.deliver_to),
    deadlineSeconds: row.deadline_s,
    pausePolicy: row.pause_policy,
    validStartNs: row.valid_start_ns,
    validEndNs: row.valid_end_ns,
    matches: (entry) => isFor(entry, row.id, past) && sees(entry),
  };
};

/** Whether a product is for this order, as far as it was made for somebody. */
function isFor({ madeFor, joinedBy }: Pick<Entry, 'madeFor' | 'joinedBy'>, order: bigint, readsPast: boolean): boolean {
  if (madeFor != null) return madeFor.includes(order);
  return joinedBy == null || !readsPast || joinedBy.includes(order);
}
