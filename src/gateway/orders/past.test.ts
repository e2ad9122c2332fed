import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { invalid, isMpdError } from '../../mpd/index.js';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import type { OrderRequest, Orders, Principal } from '../api.js';
import type { Entry, Upstream, UpstreamOrder, UpstreamStatus } from '../backend.js';
import { createBackends } from '../backends.js';
import { createNamedFilters } from '../catalogue/filters.js';
import { createIntake } from '../changes/intake.js';
import { createMissing } from '../delivery/missing.js';
import { coreMigrations } from '../migrations.js';
import type { CoreTables } from '../schema.js';
import type { DeliveryTarget } from '../target.js';
import { createTargets } from '../targets.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { runBackfillChunk } from './backfill.js';
import { expireOrders } from './expire.js';
import { createForeignOrders } from './foreign.js';
import { createLiveOrders } from './live.js';
import { createOrders } from './orders.js';
import { reconcileUpstream } from './upstream.js';

const log = pino({ level: 'silent' });
const alice: Principal = { id: 'alice', role: 'consumer', policy: null };
const HOUR = 3_600_000_000_000n;
const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** A backend that makes the past on demand, as told by the test. */
describe('orders whose validity lies in the past', () => {
  let store: TestStore<CoreTables>;
  let memory: MemoryBackend;
  let backend: MemoryBackend & { readonly upstream: Upstream };
  let orders: Orders;
  let done: boolean;
  let refusal: Error | null;
  const calls: string[] = [];
  const ensured: UpstreamOrder[] = [];

  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
    memory = memoryBackend();
    done = false;
    refusal = null;
    calls.length = 0;
    ensured.length = 0;
    const upstream: Upstream = {
      readsPast: true,
      async check() {
        if (refusal !== null) throw refusal;
      },
      async ensure(order) {
        ensured.push(order);
        return `order-${order.orderId}`;
      },
      cancel: async (id) => void calls.push(`cancel ${id}`),
      status: async (id): Promise<UpstreamStatus> => ({
        ...{ id, orderId: null, state: done ? 'done' : 'running', details: { State: 'X' }, done },
        jobs: [{ id: 'job-1', purpose: 'past', state: 'running', details: { State: 'X', Error: null } }],
      }),
      list: async () => [],
    };
    backend = { ...memory, upstream };
    const access = createAccess(store.db);
    await access.syncConfigured([alice]);
    orders = createOrders({
      foreign: createForeignOrders(createBackends([backend]), pino({ level: 'silent' })),
      db: store.db,
      backends: createBackends([backend]),
      targets: createTargets({
        targets: [{ schemes: ['test'], probe: async () => ({ status: 'ok' }) } as unknown as DeliveryTarget],
        config: { allow: [], named: {}, inlineCredentials: false },
      }),
      filters: createNamedFilters(store.db, () => 10),
      deadlineSeconds: 60,
      quota: () => 10,
      wake: () => undefined,
    });
    await store.db.insertInto('backend_state').values({ backend: 'memory', epoch: 1n, ready_ns: 0n }).execute();
  });
  afterEach(() => store.close());

  const submit = async (validityPeriod: OrderRequest['validityPeriod'], more: Partial<OrderRequest> = {}) =>
    (
      await orders.submit(
        {
          ...{ user: null, productFilter: null, deliveryMethod: 'FILETRANSFER', deliverTo: 'test://host/in' },
          ...{ comments: null, validityPeriod, ...more },
        },
        alice,
      )
    ).orderID;
  const past = { start: 0n, end: HOUR };
  const reconcile = () => reconcileUpstream(store.db, backend, log);
  const arrive = (key: string, made: Pick<Entry, 'madeFor' | 'joinedBy'> = {}) =>
    createIntake(store.db, backend, createLiveOrders(), 1n).take(
      [{ kind: 'new', entry: { ...memory.put(key, key), ...made } }],
      'feed',
    );
  const ledger = async () =>
    (await store.db.selectFrom('delivery').select(['order_id', 'key', 'state']).orderBy('id').execute()).map(
      ({ order_id, key, state }) => `${order_id} ${key} ${state}`,
    );
  const state = async (id: bigint) => (await orders.get(id, alice)).state;

  it('wait for what is made for them and expire when it is; nobody else gets it', async () => {
    const id = await submit(past);
    const other = await submit(null);
    expect(await expireOrders(store.db), 'the backend has not taken it yet').toBe(0);
    await reconcile();
    expect(ensured).toMatchObject([
      { orderId: id, readsPast: true, validity: past, remoteId: null },
      { orderId: other, validity: null },
    ]);
    expect(ensured[1]).not.toHaveProperty('readsPast');
    expect(await expireOrders(store.db)).toBe(0);
    await arrive('for it', { madeFor: [id] });
    await arrive('for whoever asks by name', { madeFor: [] });
    await arrive('new');
    expect(await ledger()).toEqual([`${id} for it queued`, `${other} new queued`]);
    done = true;
    await reconcile();
    expect(await expireOrders(store.db)).toBe(1);
    expect(await state(id)).toBe('expired');
    await arrive('a little late', { madeFor: [id] });
    expect((await ledger()).at(-1)).toBe(`${id} a little late queued`);
    await reconcile();
    await reconcile();
    expect(calls).toEqual([`cancel order-${id}`]);
    const { upstream } = await orders.get(id, alice);
    expect(upstream).toEqual({
      memory: {
        ...{ id: `order-${id}`, state: 'done', details: { State: 'X' } },
        jobs: [{ id: 'job-1', purpose: 'past', state: 'running', details: { State: 'X', Error: null } }],
      },
    });
  });

  it('get of what is for all only that which was made after they had come to the present', async () => {
    const id = await submit({ start: 0n, end: now() + HOUR });
    const other = await submit(null);
    await arrive('before', { joinedBy: [] });
    await arrive('after', { joinedBy: [id] });
    expect(await ledger()).toEqual([`${other} before queued`, ...[id, other].map((one) => `${one} after queued`)]);
    for (const one of [id, other]) await orders.backfill(one, { axis: 'available', from: null, to: null }, alice);
    while (await runBackfillChunk(store.db));
    expect(await ledger()).toHaveLength(3);
  });

  it('are not backfilled with what was made for others, and miss nothing of it', async () => {
    const id = await submit({ start: 0n, end: now() + HOUR });
    const other = await submit(null);
    await arrive('for it', { madeFor: [id] });
    await orders.backfill(other, { axis: 'created', from: null, to: null }, alice);
    while (await runBackfillChunk(store.db));
    expect(await ledger()).toEqual([`${id} for it queued`]);
    const held = { ...memory.put('for it', 'for it'), madeFor: [id] };
    const lists = {
      ...backend,
      async *list() {
        yield { entry: held, position: '1' };
      },
    };
    const proof = createMissing({
      db: store.db,
      backends: createBackends([lists]),
      access: createAccess(store.db),
    });
    const about = { created: null, limit: 10, signal: new AbortController().signal };
    expect(await proof.missing(id, about, alice)).toMatchObject({ held: 1, underway: 1, missing: [] });
    expect(await proof.missing(other, about, alice)).toMatchObject({ held: 0, missing: [] });
  });

  it('hold what comes while they are paused, and do not expire before they go on', async () => {
    const id = await submit(past);
    await orders.pause(id, 'hold', alice);
    done = true;
    await reconcile();
    await arrive('held', { madeFor: [id] });
    expect(await expireOrders(store.db)).toBe(0);
    expect(await ledger()).toEqual([`${id} held matched`]);
    await orders.resume(id, alice);
    expect(await ledger()).toEqual([`${id} held queued`]);
    expect(await expireOrders(store.db)).toBe(1);
  });

  it('take nothing more once they are cancelled', async () => {
    const id = await submit(past);
    await reconcile();
    await orders.cancel(id, alice);
    await arrive('too late', { madeFor: [id] });
    await reconcile();
    expect(await ledger()).toEqual([]);
    expect(calls).toEqual([`cancel order-${id}`]);
    expect((await orders.get(id, alice)).upstream?.memory?.state).toBe('cancelled');
  });

  it('are refused before they are kept when the backend can never make it', async () => {
    refusal = invalid('validityPeriod', 'is too long');
    await expect(submit(past)).rejects.toSatisfy(
      (error) => isMpdError(error, 'Invalid') && error.field === 'validityPeriod',
    );
    expect(await orders.list({ user: null, domain: null }, alice)).toEqual([]);
    // What has not begun is no matter of the past.
    await submit({ start: now() + HOUR, end: now() + 2n * HOUR });
  });

  it('end at once where no backend makes the past', async () => {
    const elsewhere = { productType: null, domain: ['elsewhere'], sources: null, attributeFilter: null };
    const id = await submit(past, { productFilter: elsewhere });
    expect(await expireOrders(store.db)).toBe(1);
    expect(await state(id)).toBe('expired');
  });
});
