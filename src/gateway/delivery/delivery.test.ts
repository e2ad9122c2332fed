import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileTarget } from '../../targets/file/index.js';
import { releaseHeld, withdrawPending } from '../orders/hold.js';
import { type FaultyBench, faultyBench, md5, stalledBody, textBody } from './testing-faults.js';

describe('delivery', () => {
  let bench: FaultyBench;
  beforeEach(async () => {
    bench = await faultyBench((root) => fileTarget([root]));
  });
  afterEach(() => bench.close());

  it('delivers, verifies, records the attempt and tells it once', async () => {
    const order = await bench.order();
    await bench.queue(order, bench.backend.put('a/b 1.dat', 'hello', { claim: md5('hello') }));
    bench.workers();
    await bench.settled(['notified']);
    expect(await bench.files()).toEqual({ 'a%2Fb 1.dat': 'hello' });
    const sha256 = createHash('sha256').update('hello').digest('hex');
    expect((await bench.eventsOf('delivered')).map((event) => event.payload)).toEqual([
      {
        key: 'a/b 1.dat',
        filename: 'a%2Fb 1.dat',
        deliveredTo: expect.stringMatching(/^file:.*\/in$/),
        success: true,
        location: expect.stringMatching(/^file:.*\/in\/a%252Fb%201\.dat$/),
        bytes: 5,
        checksum: sha256,
        sourceCheck: 'ok',
        targetCheck: 'verified',
        round: 0,
      },
    ]);
    const [row] = await bench.ledger();
    const info = await bench.deliveries.get(row!.id, bench.alice);
    expect(info).toMatchObject({ state: 'notified', bytes: 5n, checksum: sha256, attempts: 1, sourceCheck: 'ok' });
    expect(info.log).toMatchObject([{ bytes: 5n, checksum: sha256, errorClass: null, endedAt: expect.anything() }]);
    expect(row!.owner).toBeNull();
  });

  it('lays files out by the order template', async () => {
    const order = await bench.order({ path_template: '{productType}/{created:yyyy}/{created:DDD}' });
    await bench.queue(order, bench.backend.put('k', 'x', { type: 'TM/1', created: 1_700_000_000_000_000_000n }));
    bench.workers();
    await bench.settled(['notified']);
    expect(await bench.files()).toEqual({ 'TM%2F1/2023/318/k': 'x' });
  });

  describe('a changing product', () => {
    it('that is gone ends withdrawn', async () => {
      const order = await bench.order();
      await bench.queue(order, bench.backend.put('k', 'x'));
      bench.backend.remove('k');
      bench.workers();
      await bench.settled(['withdrawn']);
      expect((await bench.eventsOf('withdrawn'))[0]?.payload).toMatchObject({
        filename: 'k',
        reason: expect.any(String),
      });
      expect(await bench.files()).toEqual({});
    });

    it('that has new content ends superseded, and the new content is delivered', async () => {
      const order = await bench.order();
      await bench.queue(order, bench.backend.put('k', 'one'));
      await bench.queue(order, bench.backend.put('k', 'two'));
      bench.workers();
      await bench.settled(['superseded', 'notified']);
      expect(await bench.files()).toEqual({ k: 'two' });
      expect(await bench.eventsOf('superseded')).toHaveLength(1);
    });

    it('never puts older content over newer', async () => {
      // Two orders to one folder; the one that matched the older content was paused meanwhile, and it can still be read.
      const late = await bench.order({ state: 'paused' });
      const old = bench.backend.put('k', 'old');
      await bench.queue(late, old);
      await bench.queue(await bench.order(), bench.backend.put('k', 'newer'));
      bench.workers();
      await bench.settled(['matched', 'notified']);
      bench.faults.open = async () => textBody(old.revision, 'old');
      await bench.store.db.updateTable('standing_order').set({ state: 'active' }).execute();
      await bench.store.db.transaction().execute((tx) => releaseHeld(tx, [late]));
      await bench.settled(['superseded', 'notified']);
      expect(await bench.files()).toEqual({ k: 'newer' });
    });

    it('never puts one product over another of the same name', async () => {
      const order = await bench.order({ path_template: 'one' });
      const entry = { ...bench.backend.put('a', 'A'), fileName: 'same' };
      await bench.queue(order, entry);
      bench.workers();
      await bench.settled(['notified']);
      await bench.queue(order, { ...bench.backend.put('b', 'B'), fileName: 'same' });
      await bench.settled(['notified', 'dead']);
      expect((await bench.ledger())[1]).toMatchObject({
        error_class: 'refuse',
        cause: expect.stringContaining('another product (a)'),
      });
      expect(await bench.files()).toEqual({ 'one/same': 'A' });
    });
  });

  describe('an order', () => {
    it('that is paused keeps its rows', async () => {
      const order = await bench.order({ state: 'paused' });
      await bench.queue(order, bench.backend.put('k', 'x'));
      await bench.store.db.updateTable('delivery').set({ state: 'queued' }).execute();
      const other = await bench.order({ deliver_to: await bench.folder('other') });
      await bench.queue(other, bench.backend.put('k2', 'x'));
      bench.workers();
      await bench.settled(['queued', 'notified']);
    });

    it('that is cancelled breaks its transfer off: nothing becomes visible', async () => {
      const entry = bench.backend.put('k', 'content');
      const { begun, open } = stalledBody(entry.revision, 'content');
      bench.faults.open = open;
      const order = await bench.order();
      await bench.queue(order, entry);
      const workers = bench.workers({ leaseMs: 30_000 });
      await begun;
      await bench.store.db.transaction().execute(async (tx) => {
        await tx.updateTable('standing_order').set({ state: 'cancelled' }).where('id', '=', order).execute();
        await withdrawPending(tx, order, 'the order was cancelled');
      });
      await expect.poll(() => workers.running(), { timeout: 5_000 }).toBe(0);
      expect(await bench.states()).toEqual(['withdrawn']);
      expect(await bench.files()).toEqual({});
      expect(await bench.store.db.selectFrom('target_path').selectAll().execute()).toEqual([]);
    });
  });

  it('a product that the owner of the order may no longer see is not sent', async () => {
    const order = await bench.order();
    await bench.queue(order, bench.backend.put('open/a', 'x'), bench.backend.put('secret/b', 'x'));
    await bench.store.db
      .updateTable('principal')
      .set({ policy: JSON.stringify({ pathPrefix: 'open/' }) })
      .where('id', '=', 'alice')
      .execute();
    bench.workers();
    await bench.settled(['notified', 'withdrawn']);
    expect(await bench.files()).toEqual({ 'open%2Fa': 'x' });
  });
});
