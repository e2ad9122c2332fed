import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import { coreMigrations } from '../migrations.js';
import { createLiveOrders, lockOrders } from '../orders/live.js';
import type { CoreTables } from '../schema.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { followBackend } from './follow.js';
import { createIntake } from './intake.js';

const log = pino({ level: 'silent' });

describe('changes of a backend', () => {
  let store: TestStore<CoreTables>;
  let backend: MemoryBackend;
  let stop: AbortController;
  let following: Promise<void> | undefined;

  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
    backend = memoryBackend();
    stop = new AbortController();
    await createAccess(store.db).syncConfigured([{ id: 'alice', role: 'consumer', policy: null }]);
  });

  afterEach(async () => {
    stop.abort();
    await following;
    following = undefined;
    await store.close();
  });

  const follow = (sweep = { intervalMs: 3_600_000, overlapMs: 1000 }) => {
    following = followBackend(backend, { db: store.db, liveOrders: createLiveOrders(), log, sweep }, stop.signal);
  };

  const order = async (values: { tree?: string; state?: 'active' | 'paused'; pause_policy?: 'hold' | 'skip' } = {}) =>
    store.db.transaction().execute(async (tx) => {
      await lockOrders(tx);
      const row = await tx
        .insertInto('standing_order')
        .values({
          kind: 'standing',
          owner: 'alice',
          state: values.state ?? 'active',
          method: 'FILETRANSFER',
          deliver_to: 'file:///delivered',
          tree: values.tree ?? null,
          pause_policy: values.pause_policy ?? 'hold',
          on_bad_source: 'deliver-flagged',
          overwrite: true,
          deadline_s: 60,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      return row.id;
    });

  const journal = () =>
    store.db.selectFrom('journal').select(['key', 'kind', 'current', 'round', 'removed_at']).orderBy('id').execute();
  const ledger = () =>
    store.db.selectFrom('delivery').select(['key', 'revision', 'state', 'round', 'order_id']).orderBy('id').execute();
  const imported = () =>
    expect
      .poll(
        async () => (await store.db.selectFrom('backend_state').select('imported_at').executeTakeFirst())?.imported_at,
      )
      .toBeTruthy();
  const settled = async (rows: number) =>
    expect.poll(async () => (await ledger()).length, { timeout: 5000 }).toBe(rows);

  it('takes what is there at first contact as history, which no order matches', async () => {
    backend.put('old', 'a');
    await order();
    follow();
    await imported();
    backend.put('fresh', 'b');
    await settled(1);
    expect((await ledger()).map((row) => row.key)).toEqual(['fresh']);
    expect((await journal()).map(({ key, kind }) => [key, kind])).toEqual([
      ['old', 'initial'],
      ['fresh', 'new'],
    ]);
  });

  it('matches what came between first contact and an import that was cut off', async () => {
    await order();
    backend.put('old', 'a');
    await sql`insert into backend_state (backend, cursor, epoch) values ('memory', '1', 1)`.execute(store.db);
    backend.put('meanwhile', 'b');
    follow();
    await settled(1);
    expect((await ledger())[0]?.key).toBe('meanwhile');
  });

  it('writes one ledger row for each new content and none for an index run over the same bytes', async () => {
    await order();
    follow();
    await imported();
    backend.put('k', 'one');
    backend.touch('k');
    backend.put('k', 'two');
    await settled(2);
    expect((await journal()).map(({ kind, current }) => [kind, current])).toEqual([
      ['new', false],
      ['updated', true],
    ]);
  });

  it('opens the row again when an earlier content comes back, and when a product is published again', async () => {
    await order();
    follow();
    await imported();
    backend.put('k', 'one');
    backend.put('k', 'two');
    backend.put('k', 'one');
    backend.republish('k');
    await expect.poll(async () => (await ledger()).map((row) => row.round)).toEqual([2, 0]);
  });

  it('withdraws what was not sent when the product is removed, and sends it when it comes back', async () => {
    await order();
    follow();
    await imported();
    backend.put('k', 'one');
    await settled(1);
    backend.remove('k');
    await expect.poll(async () => (await ledger())[0]?.state).toBe('withdrawn');
    backend.put('k', 'one');
    await expect.poll(async () => (await ledger())[0]?.state).toBe('queued');
  });

  it('keeps products of a paused order waiting, or leaves them out, as its policy says', async () => {
    const hold = await order({ state: 'paused', pause_policy: 'hold' });
    await order({ state: 'paused', pause_policy: 'skip' });
    follow();
    await imported();
    backend.put('k', 'one');
    await settled(1);
    expect(await ledger()).toMatchObject([{ order_id: hold, state: 'matched' }]);
  });

  it('finds by the sweep what the feed did not tell, once', async () => {
    await order();
    follow({ intervalMs: 50, overlapMs: 1000 });
    await imported();
    backend.put('quiet', 'a', { silent: true });
    await settled(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ledger()).toHaveLength(1);
  });

  it('lets nobody delete an order or a product that the ledger tells of', async () => {
    follow();
    await imported();
    await order();
    backend.put('kept', 'x');
    await settled(1);
    for (const table of ['journal', 'standing_order'])
      await expect(sql`delete from ${sql.table(table)}`.execute(store.db)).rejects.toThrow('is in the ledger');
    expect(await ledger()).toHaveLength(1);
    await order();
    await sql`delete from standing_order where id not in (select order_id from delivery)`.execute(store.db);
  });

  it('refuses the writes of a follower that another has replaced', async () => {
    follow();
    await imported();
    const late = createIntake(store.db, backend, createLiveOrders(), 0n);
    await expect(late.take([{ kind: 'new', entry: backend.put('k', 'x', { silent: true }) }], 'feed')).rejects.toThrow(
      'another gateway follows',
    );
  });

  it('never loses a product to an order that is placed at the same moment', async () => {
    follow();
    await imported();
    const orders: bigint[] = [];
    for (let i = 0; i < 30; i++) {
      backend.put(`k${i}`, String(i));
      if (i % 3 === 0) orders.push(await order());
    }
    backend.put('last', 'z');
    await expect
      .poll(async () => (await ledger()).filter((row) => row.key === 'last').length, { timeout: 10_000 })
      .toBe(orders.length);
    for (const id of orders) {
      const keys = (await ledger()).filter((row) => row.order_id === id).map((row) => row.key);
      const first = keys[0] === 'last' ? 30 : Number(keys[0]!.slice(1));
      expect(keys).toEqual([...Array.from({ length: 30 - first }, (_, i) => `k${first + i}`), 'last']);
    }
  });
});
