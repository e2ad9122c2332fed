import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EddsSimulator, startEddsSimulator } from '../../simulators/edds/index.js';
import { parseFileName, type RawElement, readResponse } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import { type TestGateway, testGateway } from '../gateway.js';

/** An EDDS behind a whole gateway: orders go in, files come out. */
describe('EDDS behind the gateway', () => {
  let simulator: EddsSimulator;
  let gateway: TestGateway;
  let state: string;
  let port = 0;
  const folders: string[] = [];

  const startSimulator = () =>
    startEddsSimulator({
      folder: state,
      port,
      domains: ['SOL'],
      times: { start: 20, duration: 20, tick: 10 },
      archive: { begin: Date.now() - 3 * 3_600_000, end: null, packetInterval: 50_000, files: 2 },
    });
  const config = () => ({
    backends: [
      {
        id: 'solo',
        kind: 'edds',
        domain: ['esa', 'solo'],
        wsdl: simulator.wsdlUrl,
        username: 'ops',
        password: 'ops',
        mission: 'SOL',
        catalogue: '500ms',
        poll: '100ms',
        partSeconds: 1,
        cache: { path: folders[1] },
        site: { limits: { poll: 20 } },
      },
    ],
  });

  beforeAll(async () => {
    for (let index = 0; index < 2; index++) folders.push(await mkdtemp(join(tmpdir(), 'mpd-edds-')));
    state = folders[0]!;
    simulator = await startSimulator();
    port = simulator.port;
    gateway = await testGateway({ config: config() });
  });
  afterAll(async () => {
    await gateway?.close();
    await simulator?.stop();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  const order = async (name: string, apid: number): Promise<bigint> => {
    mkdirSync(join(gateway.delivered, name));
    const { orderID } = await gateway.gateway.orders.submit(
      {
        user: null,
        deliveryMethod: 'FILETRANSFER',
        deliverTo: `file://${gateway.delivered}/${name}`,
        comments: null,
        validityPeriod: null,
        productFilter: {
          productType: 'PktTmRaw',
          domain: ['esa', 'solo'],
          sources: null,
          attributeFilter: [
            { type: 'ValueSet', name: 'apid', include: true, values: [{ type: 'UShort', value: apid }] },
          ],
        },
      },
      gateway.operator,
    );
    return orderID;
  };
  const files = (name: string): string[] => {
    try {
      return readdirSync(join(gateway.delivered, name)).filter((file) => file.endsWith('.xml'));
    } catch {
      return [];
    }
  };
  const headersOf = async (name: string) => {
    const headers: ReturnType<typeof decodeRecord>['header'][] = [];
    for (const file of files(name)) {
      for await (const element of readResponse([readFileSync(join(gateway.delivered, name, file))])) {
        headers.push(decodeRecord((element as RawElement).bytes).header);
      }
    }
    return headers;
  };
  const until = async (what: string, done: () => boolean | Promise<boolean>): Promise<void> => {
    for (let turn = 0; turn < 800; turn++) {
      if (await done()) return;
      await sleep(50);
    }
    throw new Error(`not in time: ${what}`);
  };
  const consecutive = async (name: string): Promise<void> => {
    const counts = (await headersOf(name)).map(({ ssc }) => ssc).sort((a, b) => a - b);
    expect(counts.length).toBeGreaterThan(10);
    expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => counts[0]! + index));
  };

  it('a stream order delivers every part into a folder, under its EDDS name, each packet once', async () => {
    const id = await order('stream', 1444);
    await until('three parts are delivered', () => files('stream').length >= 3);
    for (const file of files('stream')) expect(parseFileName(file)?.requestId.kind).toMatch(/Request$/);
    await consecutive('stream');
    const info = async () => (await gateway.gateway.orders.get(id, gateway.operator)).upstream?.solo;
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
    await gateway.gateway.orders.cancel(id, gateway.operator);
    await until('the stream is cancelled at EDDS', () =>
      simulator.control.jobs().some(({ kind, state: now }) => kind === 'StreamRequest' && now === 'CANCELLED'),
    );
  });

  it('EDDS stops and starts again in the middle: nothing is lost, nothing comes twice', async () => {
    await order('restart', 1420);
    await until('a part is delivered', () => files('restart').length >= 1);
    await simulator.stop();
    await sleep(1500);
    simulator = await startSimulator();
    const before = files('restart').length;
    await until('more parts are delivered', () => files('restart').length >= before + 2);
    await consecutive('restart');
  });

  it('virtual products are listed, got by request, and never in a ledger', async () => {
    const now = BigInt(Date.now()) * 1_000_000n;
    const content = { start: now - 7_300_000_000_000n, end: now - 7_290_000_000_000n };
    const { entries } = await gateway.gateway.catalogue.list(
      {
        filter: {
          filter: {
            productType: 'PktTmRaw',
            domain: null,
            sources: null,
            attributeFilter: [
              { type: 'ValueSet', name: 'request', include: true, values: [{ type: 'String', value: 'on request' }] },
            ],
          },
        },
        created: null,
        content,
      },
      { limit: 100, signal: AbortSignal.timeout(10_000) },
      gateway.operator,
    );
    expect(entries).toHaveLength(5);
    const { body } = await gateway.gateway.catalogue.open(
      entries[0]!.metadata.productRef,
      { revision: null, offset: 0, signal: AbortSignal.timeout(20_000) },
      gateway.operator,
    );
    let elements = 0;
    for await (const _ of readResponse(body.stream)) elements++;
    expect(elements).toBeGreaterThan(5);
    const { rows } = await import('kysely').then(({ sql }) =>
      sql<{ n: bigint }>`select count(*) as n from journal where key like 'PktTmRaw/%'`.execute(gateway.store.db),
    );
    expect(rows[0]!.n).toBe(0n);
  });
});
