import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileTarget } from '../../targets/file/index.js';
import { enqueue } from '../changes/enqueue.js';
import { createPublished } from './published.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

describe('what subscribers were sent', () => {
  let bench: DeliveryBench;
  beforeEach(async () => {
    bench = await deliveryBench({ target: (root) => fileTarget([root]) });
  });
  afterEach(() => bench.close());

  const service = () => bench.order({ method: 'SERVICE_COMPLETE' });
  const sent = (deliveryId: bigint, subscribers: number, tooLarge: string | null = null, round = 0) => ({
    ...{ deliveryId, round, subscribers, tooLarge },
  });
  const ledger = async (order: bigint) =>
    (await bench.deliveries.list(order, { limit: 100 }, bench.alice)).map(({ ref, state, published, cause }) => ({
      ...{ key: ref.key, state, published, cause },
    }));

  it('is published to so many, those of another gateway added, and is there after a restart', async () => {
    const order = await service();
    const [a, b] = await bench.queue(order, bench.backend.put('a', 'a'), bench.backend.put('b', 'b'));
    await bench.deliveries.published([sent(a!, 2)]);
    await createPublished(bench.store.db).published([sent(b!, 1), sent(a!, 3)]);
    expect(await ledger(order)).toEqual([
      { key: 'a', state: 'published', published: 5, cause: null },
      { key: 'b', state: 'published', published: 1, cause: null },
    ]);
    const { rows } = await sql<{ state: string; target_check: string | null }>`
      select distinct state, target_check from delivery`.execute(bench.store.db);
    expect(rows).toEqual([{ state: 'published', target_check: null }]);
  });

  it('is tooLarge with the reason when it went without its body, until one gateway sends it whole', async () => {
    const order = await service();
    const [a] = await bench.queue(order, bench.backend.put('a', 'a'));
    await bench.deliveries.published([sent(a!, 1, 'the body has 9 bytes')]);
    expect(await ledger(order)).toEqual([{ key: 'a', state: 'tooLarge', published: 1, cause: 'the body has 9 bytes' }]);
    const signal = new AbortController().signal;
    const missing = () => bench.deliveries.missing(order, { created: null, limit: 10, signal }, bench.alice);
    expect(await missing()).toMatchObject({
      held: 1,
      delivered: 0,
      missing: [{ state: 'tooLarge', cause: 'the body has 9 bytes' }],
    });
    await bench.deliveries.published([sent(a!, 1)]);
    expect(await ledger(order)).toEqual([{ key: 'a', state: 'published', published: 2, cause: null }]);
    await bench.deliveries.published([sent(a!, 1, 'the body has 9 bytes')]);
    expect(await ledger(order)).toEqual([{ key: 'a', state: 'published', published: 3, cause: null }]);
    expect(await missing()).toMatchObject({ held: 1, delivered: 1, missing: [] });
  });

  it('leaves what was acknowledged, withdrawn, or opened again since', async () => {
    const order = await service();
    const [a, b, c] = await bench.queue(order, ...['a', 'b', 'c'].map((key) => bench.backend.put(key, key)));
    await sql`update delivery set state = 'acknowledged' where id = ${a}`.execute(bench.store.db);
    await sql`update delivery set state = 'withdrawn' where id = ${b}`.execute(bench.store.db);
    await bench.deliveries.published([sent(c!, 4)]);
    const { journal_id: journalId } = await bench.store.db
      .selectFrom('delivery')
      .select('journal_id')
      .where('id', '=', c!)
      .executeTakeFirstOrThrow();
    const again = {
      ...{ orderId: order, journalId, method: 'SERVICE_COMPLETE' as const, target: null },
      ...{ deadlineSeconds: 60, held: false },
    };
    await enqueue(bench.store.db, [again], 'always');
    await bench.deliveries.published([sent(a!, 1), sent(b!, 1), sent(c!, 1)]);
    expect(await ledger(order)).toEqual([
      { key: 'a', state: 'acknowledged', published: 1, cause: null },
      { key: 'b', state: 'withdrawn', published: 0, cause: null },
      { key: 'c', state: 'available', published: 0, cause: null },
    ]);
    await bench.deliveries.published([sent(c!, 1, null, 1)]);
    expect((await ledger(order))[2]).toMatchObject({ state: 'published', published: 1 });
  });

  it('says nothing of files', async () => {
    const order = await bench.order();
    const [a] = await bench.queue(order, bench.backend.put('a', 'a'));
    await bench.deliveries.published([sent(a!, 1)]);
    expect(await ledger(order)).toEqual([{ key: 'a', state: 'queued', published: 0, cause: null }]);
  });
});
