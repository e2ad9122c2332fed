import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import type { Principal } from '../api.js';
import { coreMigrations } from '../migrations.js';
import type { CoreTables } from '../schema.js';
import { appendEvents, type NewEvent } from './append.js';
import { createEvents, expireEvents } from './events.js';

const operator: Principal = { id: 'op', role: 'operator', policy: null };
const event = (n: number, owner = 'alice'): NewEvent => ({
  type: 'order',
  orderId: 1n,
  owner,
  domain: null,
  journalId: null,
  deliveryId: null,
  payload: { n },
});

describe('events', () => {
  let store: TestStore<CoreTables>;
  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
  });
  afterEach(() => store.close());

  const events = () => createEvents(store, createAccess(store.db));
  const numbers = (read: { readonly events: readonly { readonly payload: Readonly<Record<string, unknown>> }[] }) =>
    read.events.map((each) => each.payload.n);

  it('shows an event that commits late after those that were written after it, never skips it', async () => {
    const log = events();
    const start = (await log.read({ cursor: null }, 10, operator)).cursor;
    let commit = () => {};
    const held = new Promise<void>((resolve) => {
      commit = resolve;
    });
    const late = store.db.transaction().execute(async (tx) => {
      await appendEvents(tx, [event(1)]);
      await held;
    });
    await expect
      .poll(async () =>
        Number((await sql<{ n: bigint }>`select last_value as n from event_id_seq`.execute(store.db)).rows[0]!.n),
      )
      .toBe(1);
    await appendEvents(store.db, [event(2)]);
    const early = await log.read({ cursor: start }, 10, operator);
    expect(numbers(early)).toEqual([]);
    commit();
    await late;
    await expect.poll(async () => numbers(await log.read({ cursor: early.cursor }, 10, operator))).toEqual([1, 2]);
  });

  it('gives every event once to a reader that pages while many writers commit in any order', async () => {
    const log = events();
    let { cursor } = await log.read({ cursor: null }, 1, operator);
    const seen: number[] = [];
    const writers = Array.from({ length: 8 }, async (_, w) => {
      for (let i = 0; i < 25; i++)
        await store.db.transaction().execute(async (tx) => {
          await appendEvents(tx, [event(w * 25 + i)]);
          await sql`select pg_sleep(random() * 0.01)`.execute(tx);
        });
    });
    let written = false;
    const done = Promise.all(writers).then(() => {
      written = true;
    });
    for (;;) {
      const last = written;
      const page = await log.read({ cursor }, 7, operator);
      cursor = page.cursor;
      seen.push(...(numbers(page) as number[]));
      if (last && seen.length >= 200) break;
    }
    await done;
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('answers "gap" to a cursor older than what is kept', async () => {
    const log = events();
    const start = (await log.read({ cursor: null }, 10, operator)).cursor;
    await appendEvents(store.db, [event(1)]);
    await sql`update event set at = now() - interval '1 hour'`.execute(store.db);
    // A transaction that runs elsewhere on the server holds the horizon back for its time.
    await expect.poll(() => expireEvents(store.db, 60_000)).toBe(1);
    await expect(log.read({ cursor: start }, 10, operator)).rejects.toMatchObject({
      code: 'Unknown',
      extraInformation: 'gap',
    });
    const now = (await log.read({ cursor: null }, 10, operator)).cursor;
    await appendEvents(store.db, [event(2)]);
    await expect.poll(async () => numbers(await log.read({ cursor: now }, 10, operator))).toEqual([2]);
  });

  it('leaves no gap before a reader who keeps asking for kinds that do not come', async () => {
    const log = events();
    const types = ['delivered'] as const;
    let { cursor } = await log.read({ cursor: null, types }, 10, operator);
    await appendEvents(store.db, [event(1)]);
    const { rows } = await sql<{ tx: string }>`select tx::text as tx from event`.execute(store.db);
    await expect
      .poll(async () => {
        ({ cursor } = await log.read({ cursor, types }, 10, operator));
        return BigInt(cursor.split('.')[1]!) >= BigInt(rows[0]!.tx);
      })
      .toBe(true);
    await sql`update event set at = now() - interval '1 hour'`.execute(store.db);
    await expect.poll(() => expireEvents(store.db, 60_000)).toBe(1);
    expect(numbers(await log.read({ cursor, types }, 10, operator))).toEqual([]);
  });

  it('shows a consumer only what is its own', async () => {
    const log = events();
    const start = (await log.read({ cursor: null }, 10, operator)).cursor;
    await appendEvents(store.db, [event(1, 'alice'), event(2, 'bob')]);
    const alice: Principal = { id: 'alice', role: 'consumer', policy: null };
    await expect.poll(async () => numbers(await log.read({ cursor: start }, 10, alice))).toEqual([1]);
    expect(numbers(await log.read({ cursor: start, user: 'bob' }, 10, alice))).toEqual([]);
  });

  it('tails new events as they come and ends at the signal', async () => {
    const stop = new AbortController();
    const seen: unknown[] = [];
    const tailing = (async () => {
      for await (const each of events().tail({ cursor: null }, stop.signal, operator)) {
        seen.push(each.payload.n);
        if (seen.length === 3) stop.abort();
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const n of [1, 2, 3]) await appendEvents(store.db, [event(n)]);
    await tailing;
    expect(seen).toEqual([1, 2, 3]);
  });

  it('refuses a cursor that is none', async () => {
    await expect(events().read({ cursor: 'x' }, 1, operator)).rejects.toMatchObject({
      code: 'Invalid',
      field: 'cursor',
    });
  });
});
