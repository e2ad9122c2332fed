import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import type { Access, OrderRequest, Orders, Principal } from '../api.js';
import { createBackends } from '../backends.js';
import { createNamedFilters } from '../catalogue/filters.js';
import { createIntake } from '../changes/intake.js';
import { coreMigrations } from '../migrations.js';
import type { CoreTables } from '../schema.js';
import type { DeliveryTarget, ProbeResult } from '../target.js';
import { createTargets } from '../targets.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { runBackfillChunk } from './backfill.js';
import { expireOrders } from './expire.js';
import { createForeignOrders } from './foreign.js';
import { createLiveOrders } from './live.js';
import { createOrders } from './orders.js';

const alice: Principal = { id: 'alice', role: 'consumer', policy: null };
const bob: Principal = { id: 'bob', role: 'consumer', policy: null };
const operator: Principal = { id: 'op', role: 'operator', policy: null };

const request = (values: Partial<OrderRequest> = {}): OrderRequest => ({
  user: null,
  productFilter: null,
  validityPeriod: null,
  deliveryMethod: 'FILETRANSFER',
  deliverTo: 'test://host/in',
  comments: null,
  ...values,
});

const filter = (values: object = {}) => ({
  productType: null,
  domain: null,
  sources: null,
  attributeFilter: null,
  ...values,
});

describe('standing orders', () => {
  let store: TestStore<CoreTables>;
  let backend: MemoryBackend;
  let access: Access;
  let orders: Orders;
  let probe: ProbeResult;
  let changes: number;

  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
    backend = memoryBackend();
    backend.put('seed', 'x', { silent: true });
    probe = { status: 'ok' };
    changes = 0;
    const target = { schemes: ['test'], probe: async () => probe } as unknown as DeliveryTarget;
    access = createAccess(store.db);
    await access.syncConfigured([alice, bob, operator]);
    orders = createOrders({
      foreign: createForeignOrders(createBackends([backend]), pino({ level: 'silent' })),
      db: store.db,
      backends: createBackends([backend]),
      targets: createTargets({ targets: [target], config: { allow: [], named: {}, inlineCredentials: false } }),
      filters: createNamedFilters(store.db, () => 10),
      deadlineSeconds: 60,
      quota: () => 3,
      wake: () => {
        changes += 1;
      },
    });
    await store.db.insertInto('backend_state').values({ backend: 'memory', epoch: 1n, ready_ns: 0n }).execute();
  });
  afterEach(() => store.close());

  const arrive = async (key: string, body = key) =>
    createIntake(store.db, backend, createLiveOrders(), 1n).take(
      [{ kind: 'new', entry: backend.put(key, body) }],
      'feed',
    );
  const ledger = () =>
    store.db.selectFrom('delivery').select(['order_id', 'key', 'state', 'round']).orderBy('id').execute();

  it.each([
    ['no deliverTo', { deliverTo: null }, 'Invalid', 'deliverTo'],
    ['a deliverTo with a service method', { deliveryMethod: 'SERVICE_COMPLETE' }, 'Invalid', 'deliverTo'],
    ['a reversed validity', { validityPeriod: { start: 2n, end: 1n } }, 'Invalid', 'validityPeriod'],
    [
      'a bad pattern',
      { productFilter: filter({ attributeFilter: [{ type: 'StringPattern', name: 'a', include: true, regex: '(' }] }) },
      'Invalid',
      'productFilter.attributeFilter[0].regex',
    ],
    ['an unknown named filter', { tree: { named: 'none' } }, 'Invalid', 'filter.named'],
    ['a NUL', { comments: 'a\u0000b' }, 'Invalid', 'comments'],
    ['an unknown scheme', { deliverTo: 'gopher://host/' }, 'Order Failed', undefined],
    ['a password in deliverTo', { deliverTo: 'test://u:secret@host/' }, 'Order Failed', undefined],
    ['no URI', { deliverTo: 'not a uri' }, 'Order Failed', undefined],
    ['a bad path template', { pathTemplate: '../{productType}' }, 'Invalid', 'pathTemplate'],
    ['a reversed backfill', { backfill: { axis: 'created', from: 2n, to: 1n } }, 'Invalid', 'backfill'],
    ["somebody else's name", { user: 'bob' }, 'Authorisation Fail', undefined],
  ] as const)('refuses an order with %s', async (_, values, code, field) => {
    await expect(orders.submit(request(values as Partial<OrderRequest>), alice)).rejects.toMatchObject({ code, field });
    expect(await orders.list({ user: null, domain: null }, operator)).toEqual([]);
  });

  it('takes a text that only names a NUL as it is written in JSON', async () => {
    const { orderID } = await orders.submit(request({ comments: String.raw`a\u0000b` }), alice);
    expect((await orders.get(orderID, alice)).order.comments).toBe(String.raw`a\u0000b`);
  });

  it('refuses a target that says no, and one that cannot be reached unless that is accepted', async () => {
    probe = { status: 'refused', reason: 'wrong password' };
    await expect(orders.submit(request(), alice)).rejects.toMatchObject({
      code: 'Order Failed',
      message: 'wrong password',
    });
    probe = { status: 'notYet', reason: 'no such directory' };
    await expect(orders.submit(request(), alice)).rejects.toMatchObject({ code: 'Order Failed' });
    const { orderID, warning } = await orders.submit(request({ acceptUnreachable: true }), alice);
    expect(orderID).toBeGreaterThan(0n);
    expect(warning).toContain('no such directory');
  });

  it('warns of a type or domain that nobody has yet', async () => {
    const type = await orders.submit(request({ productFilter: filter({ productType: 'unheard' }) }), alice);
    expect(type.warning).toContain('unheard');
    const domain = await orders.submit(request({ productFilter: filter({ domain: ['far', '*'] }) }), alice);
    expect(domain.warning).toContain('far');
    const fine = await orders.submit(
      request({ productFilter: filter({ domain: ['test', '*'], productType: 'file' }) }),
      alice,
    );
    expect(fine.warning).toBeNull();
  });

  it('lists by user and requested domain: own orders to a consumer, all to an operator', async () => {
    await orders.submit(request({ productFilter: filter({ domain: ['test'] }) }), alice);
    await orders.submit(request(), bob);
    const users = async (query: Parameters<Orders['list']>[0], principal: Principal) =>
      (await orders.list(query, principal)).map((info) => info.order.user);
    expect(await users({ user: '*', domain: null }, alice)).toEqual(['alice']);
    expect(await users({ user: 'alice', domain: null }, bob)).toEqual([]);
    expect(await users({ user: null, domain: null }, operator)).toEqual(['alice', 'bob']);
    expect(await users({ user: null, domain: ['test'] }, operator)).toEqual(['alice', 'bob']);
    expect(await users({ user: null, domain: ['other'] }, operator)).toEqual(['bob']);
    expect(await users({ user: null, domain: ['te', '*'] }, operator)).toEqual(['bob']);
    expect(await users({ user: null, domain: ['*'] }, operator)).toEqual(['alice', 'bob']);
  });

  it("knows nothing of another user's order", async () => {
    const { orderID } = await orders.submit(request(), alice);
    for (const call of [
      () => orders.get(orderID, bob),
      () => orders.cancel(orderID, bob),
      () => orders.pause(orderID, null, bob),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'Unknown', extraInformation: orderID });
    await orders.cancel(orderID, operator);
    expect((await orders.get(orderID, alice)).state).toBe('cancelled');
  });

  it('cancels: nothing new is matched and what was not sent is withdrawn', async () => {
    const { orderID } = await orders.submit(request(), alice);
    await arrive('before');
    await orders.cancel(orderID, alice);
    await arrive('after');
    expect(await ledger()).toMatchObject([{ key: 'before', state: 'withdrawn' }]);
    await expect(orders.cancel(999n, alice)).rejects.toMatchObject({ code: 'Unknown', extraInformation: 999n });
    expect(await orders.list({ user: null, domain: null }, alice)).toEqual([]);
  });

  it('pauses and resumes: what came meanwhile waits and then goes, or was left out', async () => {
    const { orderID } = await orders.submit(request(), alice);
    await orders.pause(orderID, 'hold', alice);
    await arrive('held');
    await orders.resume(orderID, alice);
    await orders.pause(orderID, 'skip', alice);
    await arrive('skipped');
    await orders.resume(orderID, alice);
    expect(await ledger()).toMatchObject([{ key: 'held', state: 'queued' }]);
    const { history } = await orders.get(orderID, alice);
    expect(history.map((entry) => entry.action)).toEqual(['submitted', 'paused', 'resumed', 'paused', 'resumed']);
    expect(changes).toBeGreaterThan(3);
  });

  it('refuses what does not fit the state of an order', async () => {
    const { orderID } = await orders.submit(request(), alice);
    await orders.cancel(orderID, alice);
    await expect(orders.pause(orderID, null, alice)).rejects.toMatchObject({
      code: 'Incorrect State',
      extraInformation: 'cancelled',
    });
    await expect(orders.backfill(orderID, { axis: 'created', from: null, to: null }, alice)).rejects.toMatchObject({
      code: 'Incorrect State',
    });
  });

  it('expires at the end of validity: nothing more is matched, what was matched stays queued', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const soon = now + 700_000_000n;
    const { orderID } = await orders.submit(request({ validityPeriod: { start: now - 1n, end: soon } }), alice);
    await arrive('within');
    await expect.poll(async () => await expireOrders(store.db), { timeout: 5000 }).toBe(1);
    await arrive('beyond');
    expect((await orders.get(orderID, alice)).state).toBe('expired');
    expect(await ledger()).toMatchObject([{ key: 'within', state: 'queued' }]);
  });

  it('matches nothing before validity begins', async () => {
    const later = BigInt(Date.now() + 3_600_000) * 1_000_000n;
    await orders.submit(request({ validityPeriod: { start: later, end: later + 1n } }), alice);
    await arrive('early');
    expect(await ledger()).toEqual([]);
  });

  it('suspends the orders of a disabled owner and goes on with them when it is enabled again', async () => {
    const { orderID } = await orders.submit(request(), alice);
    await access.setDisabled('alice', true);
    await arrive('meanwhile');
    expect((await orders.get(orderID, operator)).state).toBe('suspended');
    expect(await ledger()).toMatchObject([{ state: 'matched' }]);
    await access.setDisabled('alice', false);
    expect(await ledger()).toMatchObject([{ state: 'queued' }]);
  });

  it('matches only what the owner may see, also when the policy narrows later', async () => {
    await orders.submit(request(), alice);
    await access.syncConfigured([{ ...alice, policy: { pathPrefix: 'open/' } }, bob, operator]);
    await arrive('secret/1');
    await arrive('open/1');
    expect((await ledger()).map((row) => row.key)).toEqual(['open/1']);
  });

  it('backfills a window once, and replays what was delivered with another round', async () => {
    for (const key of ['a', 'b', 'c']) await arrive(key);
    const { orderID } = await orders.submit(request({ productFilter: filter({ productType: 'file' }) }), alice);
    expect(await ledger()).toEqual([]);
    const whole = { axis: 'available', from: null, to: null } as const;
    await orders.backfill(orderID, whole, alice);
    await orders.backfill(orderID, whole, alice);
    while (await runBackfillChunk(store.db));
    expect((await ledger()).map(({ key, round }) => [key, round])).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 0],
    ]);
    await store.db.updateTable('delivery').set({ state: 'notified' }).execute();
    const { created_ns } = await store.db
      .selectFrom('journal')
      .select('created_ns')
      .where('key', '=', 'b')
      .executeTakeFirstOrThrow();
    await orders.replay(orderID, { axis: 'created', from: created_ns, to: created_ns }, alice);
    while (await runBackfillChunk(store.db));
    expect((await ledger()).map(({ key, state, round }) => [key, state, round])).toEqual([
      ['a', 'notified', 0],
      ['b', 'queued', 1],
      ['c', 'notified', 0],
    ]);
  });

  it('keeps a quota of orders a principal', async () => {
    for (let i = 0; i < 3; i++) await orders.submit(request(), alice);
    await expect(orders.submit(request(), alice)).rejects.toMatchObject({
      code: 'Order Failed',
      message: expect.stringContaining('quota is 3'),
    });
    await orders.submit(request(), bob);
  });

  it('lets a trusted network order for its users, under its own policy', async () => {
    const network: Principal = { id: 'op', role: 'consumer', policy: { pathPrefix: 'open/' }, assertsUser: true };
    const { orderID } = await orders.submit(request({ user: 'carol' }), network);
    await arrive('secret/1');
    await arrive('open/1');
    expect(await ledger()).toMatchObject([{ order_id: orderID, key: 'open/1' }]);
    expect((await orders.list({ user: 'carol', domain: null }, network)).map((info) => info.order.orderID)).toEqual([
      orderID,
    ]);
  });
});
