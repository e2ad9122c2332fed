import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import type { HttpClient } from '../../src/client/index.js';
import { readResponse } from '../../src/formats/edds-response/index.js';
import type { ObjectRef } from '../../src/mal/index.js';
import type { TestGateway } from '../gateway.js';
import { type Harness, openHarness, telemetry, until } from './harness.js';

const BEGIN = Date.UTC(2020, 11, 1);
const PARALLEL = 2;
const BATCHES = 3;

describe('ten consumers of EDDS at once', () => {
  let harness: Harness;
  let simulator: EddsSimulator;
  let gateway: TestGateway;
  const consumers: HttpClient[] = [];

  beforeAll(async () => {
    harness = await openHarness({
      simulator: {
        times: { start: 50, duration: 200, tick: 10 },
        archive: { begin: BEGIN, end: BEGIN + 3_600_000, packetInterval: 100_000, files: 1 },
      },
      backend: { site: { limits: { poll: 15, pollMax: 50, parallel: PARALLEL, batches: BATCHES } } },
    });
    ({ simulator, gateway } = harness);
    for (let n = 0; n < 10; n++) consumers.push(await harness.connect('operator'));
    await until('the catalogue is read', async () => (await windowOf(0)) !== null);
  });
  afterAll(() => harness?.close());

  /** The n-th of ten windows that overlap each other. */
  const windowOf = async (n: number): Promise<ObjectRef | null> => {
    const start = BigInt(BEGIN + n * 1000) * 1_000_000n;
    const content = { start, end: start + 30_000_000_000n - 1n };
    const productFilter = { ...telemetry(1444), domain: null };
    for await (const { metadata } of consumers[n]!.listProducts({ content, productFilter })) return metadata.productRef;
    return null;
  };

  it('have a bounded number of requests and calls at EDDS, which is shown, and each gets its product', async () => {
    const refs = await Promise.all(consumers.map((_, n) => windowOf(n)));
    simulator.control.resetCounts();
    let most = 0;
    const shown: string[] = [];
    let isDone = false;
    const watching = (async () => {
      while (!isDone) {
        most = Math.max(most, simulator.control.jobs().filter(({ state }) => !/COMPLETED|EXPIRED/.test(state)).length);
        const { reason } = (await gateway.gateway.health()).parts.find(({ id }) => id === 'solo')!;
        shown.push(reason);
        await sleep(20);
      }
    })();
    const counts = await Promise.all(
      refs.map(async (ref, n) => {
        let packets = 0;
        for await (const _ of readResponse((await consumers[n]!.getProduct(ref!)).stream)) packets++;
        return packets;
      }),
    );
    isDone = true;
    await watching;
    expect(counts).toEqual(Array.from({ length: 10 }, () => 120));
    expect(simulator.control.jobs()).toHaveLength(10);
    expect(most).toBe(BATCHES);
    expect(simulator.control.mostParallel).toBe(PARALLEL);
    expect(shown).toEqual(
      expect.arrayContaining([expect.stringMatching(`${BATCHES} retrievals running, \\d+ waiting`)]),
    );
    expect(shown.some((reason) => Number(/(\d+) waiting/.exec(reason)?.[1]) > 0)).toBe(true);
  });
});
