import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { MpdError, type StandingOrder, unknown } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { mpdConfig } from './config.js';
import { remoteOrders } from './orders.js';
import type { MpdTables } from './tables.js';
import { mpdStore } from './testing.js';

const signal = new AbortController().signal;
const typed = (productType: string): FilterTree => ({
  filter: { productType, domain: null, sources: null, attributeFilter: null },
});
const LOST = new MpdError('Delivery Timedout', { class: 'retry', message: 'no answer' });

/** A provider that keeps what is ordered, and may lose an answer. */
describe('the standing order at a provider', () => {
  let store: TestStore<MpdTables>;
  let there: (StandingOrder & { readonly number: bigint })[];
  let calls: string[];
  let lose: 'submit' | null;
  let numbered: boolean;
  let now: bigint;
  let last: bigint;

  beforeEach(async () => {
    store = await mpdStore();
    [there, calls, lose, numbered, now, last] = [[], [], null, true, 1_000_000_000n, 100n];
  });
  afterEach(() => store.close());

  const service = {
    orders: async (user: string | null) =>
      there
        .filter((order) => user === null || order.user === user)
        .map(({ number, ...order }) => ({ ...order, orderID: numbered ? number : null })),
    async submit(order: StandingOrder) {
      there.push({ ...order, number: ++last });
      calls.push(`submit ${order.productFilter?.productType ?? 'any'}`);
      if (lose === 'submit') throw LOST;
      return last;
    },
    async cancel(orderID: bigint) {
      const at = there.findIndex(({ number }) => number === orderID);
      if (at === -1) throw unknown(orderID, `no order ${orderID}`);
      calls.push(`cancel ${there[at]!.productFilter?.productType ?? 'any'}`);
      there.splice(at, 1);
    },
  };
  const made = (id = 'remote', extra = {}) =>
    remoteOrders({
      db: store.db,
      config: mpdConfig({ id, domain: ['test'], url: 'maltcp://h:1', ...extra }),
      service,
      clock: () => now,
    });
  const want = (
    orderId: bigint,
    filter: FilterTree | null,
    of = made(),
    validity: { start: bigint; end: bigint } | null = null,
  ) => of.upstream.ensure({ orderId, user: 'alice', filter, validity, remoteId: null });

  it('is found again when its answer was lost, not made twice', async () => {
    const orders = made();
    const id = await want(1n, typed('a'));
    lose = 'submit';
    await expect(orders.agree(signal)).rejects.toBe(LOST);
    expect(await orders.upstream.status(id)).toMatchObject({ state: 'ordering', details: { Reason: 'no answer' } });
    expect(await made().agree(signal)).toEqual({ ordered: false, until: null });
    expect(there).toHaveLength(1);
    expect(await orders.upstream.status(id)).toMatchObject({
      state: 'ordered',
      details: { OrderID: '101', User: 'mpd-gateway', Reason: null },
    });
    await orders.upstream.cancel(id);
    await orders.agree(signal);
    expect(there).toEqual([]);
  });

  it('is cancelled where the provider tells no numbers, as long as the answer told it', async () => {
    numbered = false;
    const orders = made();
    await orders.upstream.cancel(await want(1n, typed('a')));
    await want(2n, typed('b'));
    await orders.agree(signal);
    await orders.agree(signal);
    expect(calls).toEqual(['submit b']);
    await want(3n, typed('c'));
    await orders.agree(signal);
    expect(calls).toEqual(['submit b', 'submit any', 'cancel b']);
  });

  it('has the wider one there before the narrower is cancelled, and the other way round', async () => {
    const orders = made();
    await want(1n, typed('a'));
    await orders.agree(signal);
    const id = await want(2n, typed('b'));
    expect((await orders.agree(signal)).ordered).toBe(true);
    await orders.upstream.cancel(id);
    await orders.agree(signal);
    expect(calls).toEqual(['submit a', 'submit any', 'cancel a', 'submit a', 'cancel any']);
  });

  it('ends with the validity of the last order here, and tells when that is', async () => {
    const orders = made();
    await want(1n, typed('a'), orders, { start: 0n, end: 5_000_000_000n });
    expect(await orders.agree(signal)).toEqual({ ordered: true, until: 5_000_000_000n });
    now = 5_000_000_001n;
    expect(await orders.agree(signal)).toEqual({ ordered: false, until: null });
    expect(there).toEqual([]);
  });

  it('leaves the orders of other gateways and users alone', async () => {
    const other = await mpdStore();
    try {
      const theirs = remoteOrders({
        db: other.db,
        config: mpdConfig({ id: 'remote', domain: ['test'], url: 'maltcp://h:1' }),
        service,
        clock: () => now,
      });
      await want(1n, typed('a'), theirs);
      await theirs.agree(signal);
      const ours = made();
      await want(1n, typed('a'), ours);
      await ours.agree(signal);
      expect(there).toHaveLength(2);
      await ours.upstream.cancel('order-1');
      await ours.agree(signal);
      expect(there).toHaveLength(1);
      expect((await ours.upstream.list()).map(({ orderId }) => orderId)).toEqual([null]);
      expect((await theirs.upstream.list()).map(({ orderId }) => orderId)).toEqual([1n]);
    } finally {
      await other.close();
    }
  });

  it('says why when it is refused, and keeps the one before', async () => {
    const orders = made();
    await want(1n, typed('a'));
    await orders.agree(signal);
    const refused = new MpdError('Authorisation Fail', { class: 'refuse', message: 'not for you' });
    const strict = remoteOrders({
      db: store.db,
      config: mpdConfig({ id: 'remote', domain: ['test'], url: 'maltcp://h:1' }),
      service: { ...service, submit: () => Promise.reject(refused) },
      clock: () => now,
    });
    const id = await want(2n, null);
    await expect(strict.agree(signal)).rejects.toBe(refused);
    expect(there).toHaveLength(1);
    expect(await strict.upstream.status(id)).toMatchObject({ state: 'refused', details: { Reason: 'not for you' } });
  });

  it('is for everything, whatever is ordered here, when configured so', async () => {
    const orders = made('remote', { subscribe: 'all' });
    await orders.agree(signal);
    expect(there).toMatchObject([{ productFilter: { productType: null, domain: ['test', '*'] } }]);
  });
});
