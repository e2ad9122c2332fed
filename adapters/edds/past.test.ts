import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import type { UpstreamOrder } from '../../src/gateway/backend.js';
import { isMpdError } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import type { ProductRow } from './entry.js';
import type { JobRow } from './job.js';
import { besidePast, cutPast, pastTimes, pastWindow, requestsFor } from './past.js';
import type { EddsTables } from './tables.js';
import { BEGIN, eddsStore, type OpenedEdds, openEdds, openSimulator } from './testing.js';

const MS = 1_000_000n;
const MINUTE = 60_000n * MS;
const begin = BigInt(BEGIN) * MS;

describe('the window of a request for the past', () => {
  const held = { record: { 'record.begin': 'x' }, content_start_ns: 1000n } as unknown as ProductRow;
  const open = { record: {}, content_start_ns: 1000n } as unknown as ProductRow;

  it('is the validity as far as it has passed, from where the catalogue says that data begin', () => {
    expect(pastWindow(held, { start: 0n, end: 5000n }, 3000n)).toEqual({ begin: 1000n, end: 3000n });
    expect(pastWindow(held, { start: 2000n, end: 2500n }, 3000n)).toEqual({ begin: 2000n, end: 2501n });
    expect(pastWindow(held, { start: 0n, end: 999n }, 3000n)).toBeNull();
    expect(pastWindow(open, { start: 0n, end: 999n }, 3000n)).toEqual({ begin: 0n, end: 1000n });
  });

  it('is asked for in whole milliseconds; what is there for that alone is known', () => {
    const job = { begin_ns: 5n * MS + 3n, end_ns: 9n * MS + 7n };
    expect(pastTimes(job)).toEqual({ begin: 5n * MS, end: 10n * MS });
    const beside = [5n * MS, 5n * MS + 3n, 7n * MS, 9n * MS + 6n, 9n * MS + 7n, 10n * MS].map((time) =>
      besidePast(job, time),
    );
    expect(beside).toEqual([true, false, false, false, true, false]);
  });
});

describe('requests for the past at EDDS', () => {
  let store: TestStore<EddsTables>;
  let simulator: EddsSimulator;
  let edds: OpenedEdds;
  const config = { maxWindow: '20m', site: { limits: { poll: 15, batches: 2 } } };

  beforeAll(async () => {
    simulator = await openSimulator();
  });
  afterAll(() => simulator?.stop());
  beforeEach(async () => {
    store = await eddsStore();
    edds = await openEdds(store, simulator, config);
    await edds.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
  });
  afterEach(async () => {
    simulator.control.clear();
    await edds.close();
    await store.close();
  });

  const order = (orderId: bigint, from: bigint, to: bigint, apid = 1444): UpstreamOrder => ({
    ...{ orderId, user: 'a', remoteId: null, readsPast: true, validity: { start: begin + from, end: begin + to } },
    filter: {
      filter: {
        ...{ productType: 'PktTmRaw', domain: null, sources: null },
        attributeFilter: [{ type: 'ValueSet', name: 'apid', include: true, values: [{ type: 'UShort', value: apid }] }],
      },
    },
  });
  const upstream = () => edds.backend.upstream!;
  const done = async (id: bigint): Promise<boolean> => (await upstream().status(`order-${id}`)).done === true;
  const until = async (look: () => Promise<boolean> | boolean): Promise<void> => {
    for (let turn = 0; turn < 1500; turn++) {
      if (await look()) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('it did not come to pass');
  };

  it('of ten orders with overlapping windows run two at a time, and are shown', async () => {
    const before = simulator.control.jobs().length;
    let most = 0;
    const watch = setInterval(() => {
      const running = simulator.control.jobs().filter(({ state }) => state === 'SUBMITTED' || state === 'ACTIVE');
      most = Math.max(most, running.length);
    }, 2);
    const ids = Array.from({ length: 10 }, (_, index) => BigInt(index + 1));
    for (const id of ids) await upstream().ensure(order(id, id * MINUTE, (id + 15n) * MINUTE));
    expect((await edds.backend.check()).reason).toMatch(
      /\d+ requests for the past of orders \(at most 2 run at once\)/,
    );
    await until(async () => (await Promise.all(ids.map(done))).every(Boolean));
    clearInterval(watch);
    expect(most).toBe(2);
    expect(simulator.control.jobs().length).toBe(before + 10);
  });

  it('are found again when the answer to their submission was lost and the gateway ended', async () => {
    const before = simulator.control.jobs().length;
    simulator.control.inject({ effect: 'lost-answer', operation: 'batchRequest', times: 1 });
    simulator.control.inject({ effect: 'unavailable', operation: 'getJobs', times: 1000 });
    await upstream().ensure(order(21n, 0n, 5n * MINUTE));
    await until(() => simulator.control.jobs().length === before + 1);
    await edds.close();
    edds = await openEdds(store, simulator, config);
    expect(await done(21n)).toBe(false);
    simulator.control.clear();
    await until(() => done(21n));
    expect(simulator.control.jobs().length).toBe(before + 1);
    const [job] = (await upstream().status('order-21')).jobs!;
    expect(job).toMatchObject({ id: simulator.control.jobs().at(-1)!.id, purpose: 'past', state: 'done' });
    const made = simulator.control
      .jobs()
      .at(-1)!
      .parts.reduce((sum, { elements }) => sum + elements, 0);
    expect(job!.details).toMatchObject({ Elements: String(made), Error: null, Reason: null });
  });

  it('are refused when an order needs too many of them, in words that name the period', async () => {
    const long = { ...order(31n, 0n, 60n * MINUTE), filter: null };
    const small = await openEdds(store, simulator, { ...config, id: 'small', site: { limits: { orderJobs: 20 } } });
    try {
      await small.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      await expect(small.backend.upstream!.check!(long)).rejects.toSatisfy(
        (error) =>
          isMpdError(error, 'Invalid') &&
          error.field === 'validityPeriod' &&
          /needs \d+ requests at EDDS.*at most 20 are allowed/.test(error.message),
      );
      await small.backend.upstream!.check!(order(31n, 0n, 60n * MINUTE));
    } finally {
      await small.close();
    }
  });

  it('are cut into stretches that EDDS allows, without gap or overlap', async () => {
    const window = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.bigInt({ min: 1n, max: 10n ** 11n }));
    await fc.assert(
      fc.asyncProperty(window, fc.integer({ min: 2000, max: 60_000 }), async ([from, length], longest) => {
        await store.db.deleteFrom('edds_job').execute();
        let job: JobRow = await store.db
          .insertInto('edds_job')
          .values({
            ...{ backend: 'cut', selection: 's', purpose: 'past', name: 'n', orders: '["1"]', begin_ns: from },
            ...{ end_ns: from + length, submitted_ns: null, request_id: null, state: 'planned', details: '{}' },
            ...{ parts: 0, covered_ns: 0n, done: false },
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        let rest: JobRow | undefined = job;
        let cuts = 0;
        while (rest !== undefined) {
          job = await cutPast(store.db, rest, longest);
          expect(job.end_ns! - job.begin_ns).toBeLessThanOrEqual(BigInt(longest) * MS);
          rest = await store.db.selectFrom('edds_job').selectAll().where('id', '>', job.id).executeTakeFirst();
          cuts++;
        }
        const rows = await store.db.selectFrom('edds_job').selectAll().orderBy('begin_ns').execute();
        expect(rows[0]!.begin_ns).toBe(from);
        expect(rows.at(-1)!.end_ns).toBe(from + length);
        for (let index = 1; index < rows.length; index++) {
          expect(rows[index]!.begin_ns).toBe(rows[index - 1]!.end_ns);
          expect(rows[index]!.begin_ns % MS).toBe(0n);
        }
        expect(Math.abs(cuts - requestsFor({ begin: from, end: from + length }, longest))).toBeLessThanOrEqual(1);
        expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
      }),
      { numRuns: 25 },
    );
  });
});
