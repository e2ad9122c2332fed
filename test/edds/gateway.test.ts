import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import type { HttpClient } from '../../src/client/index.js';
import { parseFileName, type RawElement, readResponse } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { TimeWindow } from '../../src/mpd/index.js';
import type { TestGateway } from '../gateway.js';
import {
  expectConsecutive,
  type Harness,
  openHarness,
  orderFiles,
  responseFiles,
  telemetry,
  until,
} from './harness.js';

const SECOND = 1_000_000_000n;

/** An EDDS behind a whole gateway, used over HTTP: orders go in, files come out. */
describe('EDDS behind the gateway, over HTTP', () => {
  let harness: Harness;
  let simulator: EddsSimulator;
  let gateway: TestGateway;
  let client: HttpClient;
  let operator: HttpClient;

  beforeAll(async () => {
    harness = await openHarness({
      simulator: {
        times: { start: 20, duration: 20, tick: 10 },
        archive: {
          begin: Date.now() - 3 * 3_600_000,
          end: null,
          packetInterval: 50_000,
          sampleInterval: 100_000,
          files: 2,
        },
      },
      backend: {
        ...{ catalogue: '500ms', poll: '100ms', partSeconds: 1, period: '1s' },
        site: { limits: { poll: 20 } },
      },
    });
    ({ simulator, gateway } = harness);
    client = await harness.connect('alice');
    operator = await harness.connect('operator');
  });
  afterAll(() => harness?.close());

  const order = async (name: string, apid: number, validityPeriod: TimeWindow | null = null): Promise<bigint> => {
    mkdirSync(join(gateway.delivered, name));
    return orderFiles(client, `file://${gateway.delivered}/${name}`, {
      productFilter: telemetry(apid),
      validityPeriod,
    });
  };
  const files = (name: string): string[] => responseFiles(join(gateway.delivered, name));
  const consecutive = (name: string) =>
    expectConsecutive(files(name).map((file) => join(gateway.delivered, name, file)));
  const stateAtEdds = (): string[] =>
    simulator.control
      .jobs()
      .filter(({ kind }) => kind === 'StreamRequest')
      .map(({ state }) => state);

  it('a stream order delivers every part into a folder, under its EDDS name, each packet once', async () => {
    const id = await order('stream', 1444);
    await until('three parts are delivered', () => files('stream').length >= 3);
    for (const file of files('stream')) expect(parseFileName(file)?.requestId.kind).toMatch(/Request$/);
    await consecutive('stream');
    const info = async () => (await client.getOrder(id)).upstream?.solo;
    await until('the order shows the state of its request', async () => (await info())?.state === 'running');
    expect(await info()).toMatchObject({
      id: `order-${id}`,
      details: {
        State: 'ACTIVE',
        Error: null,
        Reason: null,
        SubmissionTime: expect.any(String),
        ExpiryTime: expect.any(String),
      },
    });
    const delivered = [];
    for await (const row of client.listDeliveries(id, { states: ['verified', 'notified'] })) delivered.push(row);
    expect(delivered.length).toBeGreaterThanOrEqual(3);
    await client.cancelStandingOrder(id);
    await until('the stream is cancelled at EDDS', () => stateAtEdds().every((state) => state === 'CANCELLED'));
  });

  it('EDDS stops and starts again in the middle: nothing is lost, nothing comes twice', async () => {
    const id = await order('restart', 1420);
    await until('a part is delivered', () => files('restart').length >= 1);
    await simulator.stop();
    await sleep(1500);
    await harness.startSimulator();
    ({ simulator } = harness);
    const before = files('restart').length;
    await until('more parts are delivered', () => files('restart').length >= before + 2);
    await consecutive('restart');
    await client.cancelStandingOrder(id);
  });

  it('an order that is paused gets what came meanwhile when it goes on', async () => {
    const id = await order('paused', 1436);
    await until('a part is delivered', () => files('paused').length >= 1);
    await client.pauseOrder(id, 'hold');
    await sleep(500);
    const before = files('paused').length;
    await sleep(2500);
    expect(files('paused').length).toBe(before);
    await client.resumeOrder(id);
    await until('what was held is delivered', () => files('paused').length >= before + 2);
    await until('enough to tell', async () => files('paused').length >= 8);
    await consecutive('paused');
    await client.cancelStandingOrder(id);
  });

  it('an order whose validity ends takes its request at EDDS with it', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    await until('no stream runs', () => !stateAtEdds().includes('ACTIVE'));
    await order('short', 1452, { start: now, end: now + 4n * SECOND });
    await until('a stream runs', () => stateAtEdds().includes('ACTIVE'));
    await until('it is cancelled', () => !stateAtEdds().includes('ACTIVE'));
    expect(files('short').length).toBeGreaterThan(0);
  });

  it('an order by messages is pulled: metadata with file size, then the body', async () => {
    const { orderID } = await client.submitOrder({
      user: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
      validityPeriod: null,
      productFilter: telemetry(1444),
    });
    const [pulled] = await (async () => {
      for (;;) {
        const found = await client.pull(orderID, { waitMs: 5000 });
        if (found.length > 0) return found;
      }
    })();
    const { productRef, fileMetadata } = pulled!.product.metadata;
    const { stream } = await client.getProduct(productRef);
    let bytes = 0;
    for await (const chunk of stream) bytes += chunk.length;
    expect(fileMetadata).toMatchObject({ mime: 'text/xml', fileSize: BigInt(bytes) });
    await client.cancelStandingOrder(orderID);
  });

  it('the catalogue is listed as virtual products; one is got by request and never in a ledger', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const content = { start: now - 7300n * SECOND, end: now - 7290n * SECOND };
    const listed = [];
    for await (const one of client.listProducts({
      content,
      productFilter: { productType: 'PktTmRaw', domain: null, sources: null, attributeFilter: null },
    })) {
      if (one.metadata.productRef.version === 0) listed.push(one);
    }
    expect(listed).toHaveLength(5);
    const { stream } = await client.getProduct(listed[0]!.metadata.productRef);
    let elements = 0;
    for await (const element of readResponse(stream)) {
      const time = decodeRecord((element as RawElement).bytes).header.filingTime;
      expect(time >= content.start && time <= content.end + 1_000_000n).toBe(true);
      elements++;
    }
    expect(elements).toBeGreaterThan(5);
    const { rows } = await sql<{ n: bigint }>`select count(*) as n from journal where key like 'PktTmRaw/%'`.execute(
      gateway.store.db,
    );
    expect(rows[0]!.n).toBe(0n);
  });

  it('products made on request are delivered as files when a consumer asks for that', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const content = { start: now - 7200n * SECOND, end: now - 7195n * SECOND };
    const refs = [];
    for await (const one of client.listProducts({
      content,
      productFilter: { productType: 'Param', domain: null, sources: null, attributeFilter: null },
    })) {
      if (one.metadata.productRef.version === 0) refs.push(one.metadata.productRef);
    }
    mkdirSync(join(gateway.delivered, 'asked'));
    const delivery = await client.deliverProductFiles(refs, `file://${gateway.delivered}/asked`);
    const delivered = [];
    for await (const one of delivery.files) delivered.push(one);
    expect(delivered.map(({ success, cause }) => [success, cause])).toEqual(refs.map(() => [true, null]));
    let samples = 0;
    for (const file of files('asked')) {
      for await (const element of readResponse([readFileSync(join(gateway.delivered, 'asked', file))])) {
        expect(element.kind).toBe('param');
        samples++;
      }
    }
    expect([refs.length, files('asked').length]).toEqual([3, 3]);
    // A sample each 100 ms for five seconds, both ends included.
    expect([50, 51]).toContain(samples);
  });

  it('operators see all requests at EDDS, also those made elsewhere', async () => {
    const jobs = await gateway.gateway.orders.upstream(gateway.operator);
    expect(jobs.length).toBe(simulator.control.jobs().length);
    expect(jobs.every(({ backend }) => backend === 'solo')).toBe(true);
    expect(jobs.some(({ orderId }) => orderId !== null)).toBe(true);
    expect(jobs.some(({ orderId }) => orderId === null)).toBe(true);
    const shown = await operator.listUpstream();
    expect(shown.map(({ id }) => id).sort()).toEqual(jobs.map(({ id }) => id).sort());
    const [ours] = shown.filter(({ orderId }) => orderId !== null);
    expect(ours!.details).toMatchObject({ Purpose: expect.any(String), Orders: String(ours!.orderId) });
    const [foreign] = shown.filter(({ details }) => details.Purpose === undefined);
    expect(foreign).toMatchObject({ orderId: null, details: { State: expect.any(String) } });
    await expect(client.listUpstream()).rejects.toMatchObject({ code: 'Authorisation Fail' });
  });

  it('and find those without an order here in listStandingOrders, marked as read-only', async () => {
    const all = { user: null, domain: ['esa', '*'] };
    const { orders } = gateway.gateway;
    // An order wakes what is asked from time to time.
    const { orderID } = await client.submitOrder({
      ...{ user: null, productFilter: telemetry(1), validityPeriod: null, comments: null },
      ...{ deliveryMethod: 'SERVICE_JUST_METADATA', deliverTo: null },
    });
    await expect.poll(() => orders.foreign(all, gateway.operator).length, { timeout: 20_000 }).toBeGreaterThan(0);
    for (const order of orders.foreign(all, gateway.operator))
      expect(order).toMatchObject({ orderID: null, comments: expect.stringMatching(/^read-only: \S+ at solo, /) });
    expect(orders.foreign(all, { id: 'alice', role: 'consumer', policy: null })).toEqual([]);
    await client.cancelStandingOrder(orderID);
  });
});
