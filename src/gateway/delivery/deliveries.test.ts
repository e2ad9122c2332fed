import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliveryFailed } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import type { FileDelivered, Principal } from '../api.js';
import { appendEvents } from '../events/append.js';
import type { DeliveryTarget } from '../target.js';
import { productRef } from '../values.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

const bob: Principal = { id: 'bob', role: 'consumer', policy: null };
const operator: Principal = { id: 'bob', role: 'operator', policy: null };
const never = () => new AbortController().signal;

describe('deliveries', () => {
  let bench: DeliveryBench;
  let put: DeliveryTarget['put'] | null;
  beforeEach(async () => {
    put = null;
    bench = await deliveryBench({
      target: (root) => {
        const target = fileTarget([root]);
        return { ...target, put: (...args) => (put ?? target.put)(...args) };
      },
    });
  });
  afterEach(() => bench.close());

  const collect = async (files: AsyncIterable<FileDelivered>) => {
    const found: FileDelivered[] = [];
    for await (const file of files) found.push(file);
    return found;
  };
  const orderState = async (id: bigint) =>
    (await bench.store.db.selectFrom('standing_order').select('state').where('id', '=', id).executeTakeFirstOrThrow())
      .state;

  describe('the ledger', () => {
    it('is listed by state and page, and is unknown to others', async () => {
      const order = await bench.order();
      const ids = await bench.queue(order, ...['a', 'b', 'c'].map((key) => bench.backend.put(key, key)));
      const { deliveries, alice } = bench;
      const list = (query: Parameters<typeof deliveries.list>[1]) =>
        deliveries.list(order, query, alice).then((rows) => rows.map((row) => row.ref.key));
      expect(await list({ limit: 2 })).toEqual(['a', 'b']);
      expect(await list({ limit: 2, after: ids[1]! })).toEqual(['c']);
      expect(await list({ limit: 9, states: ['dead'] })).toEqual([]);
      await expect(deliveries.list(order, { limit: 1 }, bob)).rejects.toMatchObject({ code: 'Unknown' });
      await expect(deliveries.get(ids[0]!, bob)).rejects.toMatchObject({ code: 'Unknown' });
      expect(await deliveries.get(ids[0]!, operator)).toMatchObject({ state: 'queued', log: [] });
      await expect(deliveries.get(999_999n, alice)).rejects.toMatchObject({ code: 'Unknown' });
    });
  });

  describe('deliverFiles', () => {
    it('delivers in request order, also a product named twice, and the order is done', async () => {
      const refs = ['b', 'a', 'b'].map((key) => bench.backend.put(key, key).metadata.productRef);
      const current = [refs[2]!, refs[1]!, refs[2]!];
      bench.workers();
      const { orderID, files } = await bench.deliveries.deliverFiles(
        current,
        await bench.folder('out'),
        bench.alice,
        never(),
      );
      const found = await collect(files);
      expect(found.map(({ index, filename, success }) => [index, filename, success])).toEqual([
        [0, 'b', true],
        [1, 'a', true],
        [2, 'b', true],
      ]);
      expect(found[0]!.metadata.productRef).toEqual(refs[2]);
      expect(await bench.files('out')).toEqual({ a: 'a', b: 'b' });
      expect(await orderState(orderID)).toBe('done');
    });

    it('tells of a file that did not arrive, goes on with the others, and is done', async () => {
      const target = fileTarget([bench.root]);
      put = async (uri, name, ...args) => {
        if (name === 'bad') throw deliveryFailed('refused there', 'refuse');
        return target.put(uri, name, ...args);
      };
      const refs = ['bad', 'good'].map((key) => bench.backend.put(key, key).metadata.productRef);
      bench.workers();
      const { orderID, files } = await bench.deliveries.deliverFiles(
        refs,
        await bench.folder('out'),
        bench.alice,
        never(),
      );
      expect(await collect(files)).toMatchObject([
        { index: 0, filename: 'bad', success: false, delivery: { state: 'dead', cause: 'refused there' } },
        { index: 1, filename: 'good', success: true },
      ]);
      expect(await orderState(orderID)).toBe('done');
      const proof = () => bench.deliveries.missing(orderID, { created: null, limit: 5, signal: never() }, bench.alice);
      expect(await proof()).toMatchObject({ held: 2, delivered: 1, underway: 0, missing: [{ ref: { key: 'bad' } }] });
      put = null;
      expect(await bench.deliveries.redrive(orderID, 'dead', bench.alice)).toBe(1);
      await expect.poll(() => orderState(orderID), { timeout: 5_000 }).toBe('done');
      expect(await bench.files('out')).toEqual({ bad: 'bad', good: 'good' });
    });

    it('refuses before the first answer: unknown products by index, a target that cannot be reached', async () => {
      const ref = bench.backend.put('a', 'a').metadata.productRef;
      const ghost = productRef(['test'], 'ghost', 1);
      const out = await bench.folder('out');
      const ask = (refs: Parameters<typeof bench.deliveries.deliverFiles>[0], to: string) =>
        bench.deliveries.deliverFiles(refs, to, bench.alice, never());
      await expect(ask([ghost, ref, ghost], out)).rejects.toMatchObject({ code: 'Unknown', extraInformation: [0, 2] });
      await expect(ask([ref], `${out}/absent`)).rejects.toMatchObject({
        code: 'Delivery Failed',
        message: expect.stringContaining('no such directory'),
      });
      await expect(ask([ref], 'gopher://x/')).rejects.toMatchObject({
        code: 'Delivery Failed',
        message: expect.stringContaining('supported: file'),
      });
      expect(await bench.store.db.selectFrom('standing_order').selectAll().execute()).toEqual([]);
    });

    it('goes on when the caller leaves', async () => {
      const ref = bench.backend.put('a', 'a').metadata.productRef;
      const leave = new AbortController();
      const { orderID, files } = await bench.deliveries.deliverFiles(
        [ref],
        await bench.folder('out'),
        bench.alice,
        leave.signal,
      );
      leave.abort();
      expect(await collect(files)).toEqual([]);
      bench.workers();
      await expect.poll(() => orderState(orderID), { timeout: 5_000 }).toBe('done');
      expect(await bench.files('out')).toEqual({ a: 'a' });
    });
  });

  describe('missing', () => {
    it('is what the backend holds and matches, less what was delivered or is under way', async () => {
      const order = await bench.order();
      const [a, b, c] = ['a', 'b', 'c', 'd'].map((key) => bench.backend.put(key, key));
      const rows = await bench.queue(order, a!, b!, c!);
      const set = (id: bigint, state: 'notified' | 'dead', cause: string | null) =>
        bench.store.db.updateTable('delivery').set({ state, cause }).where('id', '=', id).execute();
      await set(rows[0]!, 'notified', null);
      await set(rows[1]!, 'dead', 'disk full');
      const proof = await bench.deliveries.missing(order, { created: null, limit: 10, signal: never() }, bench.alice);
      expect(proof).toEqual({
        ...{ orderID: order, held: 4, delivered: 1, underway: 1, more: false },
        missing: [
          { ref: b!.metadata.productRef, revision: b!.revision, state: 'dead', cause: 'disk full' },
          {
            ref: expect.objectContaining({ key: 'd' }),
            revision: expect.any(String),
            state: 'none',
            cause: expect.any(String),
          },
        ],
      });
    });

    it('counts a product whose content changed since, and cuts its list at the limit', async () => {
      const order = await bench.order();
      const [row] = await bench.queue(order, bench.backend.put('a', 'one'));
      await bench.store.db.updateTable('delivery').set({ state: 'notified' }).where('id', '=', row!).execute();
      const changed = bench.backend.put('a', 'two');
      bench.backend.put('b', 'x');
      const proof = await bench.deliveries.missing(order, { created: null, limit: 1, signal: never() }, bench.alice);
      expect(proof).toMatchObject({ held: 2, delivered: 0, underway: 0, more: true });
      expect(proof.missing.map((item) => item.revision)).toEqual([changed.revision]);
    });

    it('looks at creation times only inside the window, ends included', async () => {
      const order = await bench.order();
      for (const [key, created] of [
        ['a', 10n],
        ['b', 20n],
        ['c', 30n],
      ] as const)
        bench.backend.put(key, key, { created });
      const window = { created: { start: 20n, end: 30n }, limit: 10, signal: never() };
      const { missing } = await bench.deliveries.missing(order, window, bench.alice);
      expect(missing.map((item) => item.ref.key)).toEqual(['b', 'c']);
    });
  });

  describe('pull', () => {
    /** Ledger row and event, as matching writes them for a service order. */
    const publish = async (order: bigint, key: string) => {
      const entry = bench.backend.put(key, key);
      const [id] = await bench.queue(order, entry);
      await bench.store.db.transaction().execute((tx) => tell(tx, order, id!, key));
      return id!;
    };
    const tell = (tx: Parameters<typeof appendEvents>[0], order: bigint, id: bigint, key: string) =>
      appendEvents(tx, [
        {
          ...{ type: 'available', orderId: order, owner: 'alice', domain: '["test"]', journalId: null },
          ...{ deliveryId: id, payload: { key, round: 0 } },
        },
      ]);
    /** What is committed may be given a little later: while any transaction of the server, also of another database, still runs. */
    const readable = () =>
      expect
        .poll(
          async () => {
            const { rows } = await sql<{ n: bigint }>`
        select count(*) as n from event where tx >= pg_snapshot_xmin(pg_current_snapshot())`.execute(bench.store.db);
            return rows[0]!.n;
          },
          { timeout: 10_000 },
        )
        .toBe(0n);
    const pull = async (order: bigint, after: bigint | null = null, principal = bench.alice, limit = 10) => {
      const found = await bench.deliveries.pull(order, { after, limit, signal: never() }, principal);
      return found.map((item) => ({ position: item.position, key: item.entry.metadata.productRef.key }));
    };
    const service = () => bench.order({ method: 'SERVICE_JUST_METADATA' });

    it('gives what was not acknowledged, again and again, and what came after a position', async () => {
      const order = await service();
      for (const key of ['a', 'b', 'c']) await publish(order, key);
      await readable();
      const all = await pull(order);
      expect(all.map((item) => item.key)).toEqual(['a', 'b', 'c']);
      expect(await pull(order)).toEqual(all);
      await bench.deliveries.acknowledge(order, all[1]!.position, bench.alice);
      expect((await pull(order)).map((item) => item.key)).toEqual(['c']);
      expect((await pull(order, all[0]!.position)).map((item) => item.key)).toEqual(['b', 'c']);
      expect((await bench.ledger()).map((row) => row.state)).toEqual(['acknowledged', 'acknowledged', 'available']);
      expect((await pull(order, null, bench.alice, 1)).length).toBe(1);
    });

    it('never passes over a row that commits late', async () => {
      const order = await service();
      const early = bench.backend.put('early', 'x');
      const [earlyId] = await bench.queue(order, early);
      let commit: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        commit = resolve;
      });
      let written: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => {
        written = resolve;
      });
      const slow = bench.store.db.transaction().execute(async (tx) => {
        await tell(tx, order, earlyId!, 'early');
        written();
        await gate;
      });
      await begun;
      await publish(order, 'late');
      // `late` has the higher id and is committed; nothing may be given before `early`.
      expect(await pull(order)).toEqual([]);
      commit();
      await slow;
      await expect
        .poll(async () => (await pull(order)).map((item) => item.key), { timeout: 10_000 })
        .toEqual(['early', 'late']);
    });

    it('waits for what comes', async () => {
      const order = await service();
      const waiting = bench.deliveries.pull(
        order,
        { after: null, limit: 5, waitMs: 20_000, signal: never() },
        bench.alice,
      );
      await publish(order, 'a');
      expect((await waiting).map((item) => item.entry.metadata.productRef.key)).toEqual(['a']);
    });

    it('shows only what the principal may see', async () => {
      const order = await service();
      await publish(order, 'open/a');
      await publish(order, 'secret/b');
      await readable();
      const narrow: Principal = { ...bench.alice, policy: { pathPrefix: 'open/' } };
      expect((await pull(order, null, narrow)).map((item) => item.key)).toEqual(['open/a']);
    });

    it('tells again of what nobody acknowledged before its event expired', async () => {
      const order = await service();
      await publish(order, 'a');
      await publish(order, 'b');
      await readable();
      const [a] = await pull(order);
      await bench.deliveries.acknowledge(order, a!.position, bench.alice);
      await sql`update event_floor set (tx, id) = (select tx, id from event order by tx desc, id desc limit 1)`.execute(
        bench.store.db,
      );
      await sql`delete from event`.execute(bench.store.db);
      await expect.poll(async () => (await pull(order)).map((item) => item.key), { timeout: 10_000 }).toEqual(['b']);
    });

    it('refuses positions that are none, file orders and strangers', async () => {
      const order = await service();
      const { deliveries, alice } = bench;
      await expect(deliveries.acknowledge(order, 77n, alice)).rejects.toMatchObject({
        code: 'Invalid',
        field: 'position',
      });
      await expect(pull(order, 77n)).rejects.toMatchObject({ code: 'Invalid', field: 'after' });
      await expect(pull(await bench.order())).rejects.toMatchObject({ code: 'Incorrect State' });
      await expect(pull(order, null, bob)).rejects.toMatchObject({ code: 'Unknown' });
    });
  });

  describe('redrive', () => {
    it('refuses a cancelled order, keeps a paused one waiting, and makes service rows available again', async () => {
      const order = await bench.order();
      const [id] = await bench.queue(order, bench.backend.put('a', 'a'));
      const kill = () => bench.store.db.updateTable('delivery').set({ state: 'dead' }).execute();
      const become = (state: 'paused' | 'cancelled') =>
        bench.store.db.updateTable('standing_order').set({ state }).where('id', '=', order).execute();
      await kill();
      await become('paused');
      expect(await bench.deliveries.redrive(order, 'dead', bench.alice)).toBe(1);
      expect((await bench.ledger())[0]!.state).toBe('matched');
      await kill();
      await become('cancelled');
      await expect(bench.deliveries.redrive(order, [id!], bench.alice)).rejects.toMatchObject({
        code: 'Incorrect State',
      });
      const service = await bench.order({ method: 'SERVICE_COMPLETE' });
      const [row] = await bench.queue(service, bench.backend.put('b', 'b'));
      await bench.store.db.updateTable('delivery').set({ state: 'withdrawn' }).where('id', '=', row!).execute();
      expect(await bench.deliveries.redrive(service, 'dead', bench.alice)).toBe(0);
      expect(await bench.deliveries.redrive(service, [row!], bench.alice)).toBe(1);
      const pulled = () => bench.deliveries.pull(service, { after: null, limit: 5, signal: never() }, bench.alice);
      await expect.poll(pulled, { timeout: 10_000 }).toHaveLength(1);
    });
  });
});
