import { describe, expect, it } from 'vitest';
import { all, clientOf, refused } from '../../../test/http/client.js';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';

describe('orders', () => {
  it('go through their life with exact ids', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    const request = {
      user: null,
      productFilter: null,
      validityPeriod: { start: 1n, end: 2n ** 62n },
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///x',
      comments: 'ü',
    } as const;
    const tree = { any: [{ named: 'mine' }, { pathPrefix: 'a/' }] };
    const { orderID } = await client.submitOrder({
      ...request,
      tree,
      overwrite: true,
      backfill: { axis: 'content', from: null, to: 5n },
    });
    expect(orderID).toBe(1n);
    expect(gateway.submitted[0]).toEqual({
      ...request,
      tree,
      overwrite: true,
      backfill: { axis: 'content', from: null, to: 5n },
    });
    const standing = {
      orderID: null,
      user: 'ops',
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    } as const;
    expect(await client.submitStandingOrder(standing)).toBe(2n);
    expect((await client.pauseOrder(1n, 'skip')).state).toBe('paused');
    expect((await client.resumeOrder(1n)).state).toBe('active');
    expect(await client.replayOrder(1n, { axis: 'available', from: 1n, to: null })).toEqual({ job: 1n });
    expect(await client.backfillOrder(1n, { axis: 'created', from: null, to: null })).toEqual({ job: 2n });
    expect(await client.listStandingOrders({ user: '*' })).toEqual([
      expect.objectContaining({ orderID: 1n }),
      { ...standing, orderID: 2n },
    ]);
    await client.cancelStandingOrder(1n);
    expect(await client.getOrder(1n)).toMatchObject({ state: 'cancelled', tree, history: [{ action: 'submitted' }] });
    expect(await client.redrive(1n, 'dead')).toBe(3);
    expect(await client.redrive(1n, [5n, 2n ** 60n])).toBe(2);
    expect(await client.missing(1n, { created: { start: 0n, end: 1n } })).toMatchObject({ orderID: 1n, missing: [] });
    expect(await client.pull(1n, { waitMs: 10 })).toEqual([]);
    await client.acknowledge(1n, 9n);
    expect(await all(client.listDeliveries(1n))).toEqual([]);
  });

  it('are listed over all pages', async () => {
    const { client } = await clientOf(fakeGateway());
    const order = {
      orderID: null,
      user: 'ops',
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    } as const;
    for (let i = 0; i < 5; i++) await client.submitStandingOrder(order);
    expect((await all(client.listOrders({}, { pageSize: 2 }))).map(({ order: { orderID } }) => orderID)).toEqual([
      1n,
      2n,
      3n,
      4n,
      5n,
    ]);
  });
});

describe('deliverProductFiles', () => {
  it('rejects before the first file, and says when a report was cut', async () => {
    const gateway = fakeGateway();
    const { client, served } = await clientOf(gateway);
    const { metadata } = product('a', 'x');
    expect(await refused(client.deliverProductFiles([metadata.productRef], 'file:///x'))).toMatchObject({
      code: 'Delivery Failed',
      class: 'refuse',
      extraInformation: 'no such target',
    });
    gateway.deliveries.deliverFiles = async () => ({
      orderID: 7n,
      files: (async function* () {
        await new Promise(() => undefined);
      })(),
    });
    const { orderID, files } = await client.deliverProductFiles([metadata.productRef], 'file:///x');
    expect(orderID).toBe(7n);
    const end = refused(all(files));
    await served.binding.close();
    expect(await end).toMatchObject({ class: 'retry', message: expect.stringContaining('goes on as order 7') });
  });
});
