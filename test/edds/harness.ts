import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { expect } from 'vitest';
import { type EddsSimulator, type EddsSimulatorOptions, startEddsSimulator } from '../../simulators/edds/index.js';
import { connectHttp, type HttpClient, type HttpClientOptions, type OrderRequest } from '../../src/client/index.js';
import { type RawElement, readResponse } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import { type TestGateway, testGateway } from '../gateway.js';

/** A simulated EDDS of mission SOL and a gateway before it, whose backend `solo` owns the domain `esa.solo`. */
export interface Harness {
  readonly simulator: EddsSimulator;
  readonly gateway: TestGateway;
  /** Where the backend keeps what it has fetched. */
  readonly cache: string;
  /** A client with a new key of this principal; closed with the rest. */
  connect(principal: string, options?: HttpClientOptions): Promise<HttpClient>;
  /** Starts EDDS again after it was stopped: the same address, the same state. */
  startSimulator(): Promise<void>;
  /** Starts another gateway on the same store after the one before was stopped; clients have to connect again. */
  startGateway(): Promise<void>;
  close(): Promise<void>;
}

type Section = Readonly<Record<string, unknown>>;

export interface HarnessOptions {
  /** Of this test alone, removed at the end; absent: one is made. */
  readonly folder?: string;
  readonly simulator?: EddsSimulatorOptions;
  /** What the backend is told beside where EDDS is and who logs in. */
  readonly backend?: Section;
  /** Other sections of gateway.yaml. */
  readonly config?: Section;
  readonly log?: Logger;
}

export async function openHarness(options: HarnessOptions = {}): Promise<Harness> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'mpd-edds-'));
  const [state, cache] = [join(folder, 'simulator'), join(folder, 'cache')];
  mkdirSync(state, { recursive: true });
  const clients: HttpClient[] = [];
  const gateways: TestGateway[] = [];
  let simulator: EddsSimulator | undefined;

  const startSimulator = async (): Promise<void> => {
    const port = simulator?.port ?? 0;
    simulator = await startEddsSimulator({ domains: ['SOL'], ...options.simulator, folder: state, port });
  };
  const startGateway = async (): Promise<void> => {
    const solo = {
      ...{ id: 'solo', kind: 'edds', domain: ['esa', 'solo'], wsdl: simulator!.wsdlUrl, mission: 'SOL' },
      ...{ username: 'ops', password: 'ops', cache: { path: cache } },
      ...options.backend,
    };
    const [share] = gateways;
    gateways.push(
      await testGateway({
        config: { ...options.config, backends: [solo] },
        ...(share && { share }),
        ...(options.log && { log: options.log }),
      }),
    );
  };
  const close = async (): Promise<void> => {
    for (const client of clients) await client.close();
    for (const gateway of gateways.reverse()) await gateway.close();
    await simulator?.stop();
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    await startSimulator();
    await startGateway();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get simulator() {
      return simulator!;
    },
    get gateway() {
      return gateways.at(-1)!;
    },
    cache,
    async connect(principal, more) {
      const gateway = gateways.at(-1)!;
      const client = connectHttp(gateway.urls.http!, { key: await gateway.key(principal), ...more });
      clients.push(client);
      return client;
    },
    ...{ startSimulator, startGateway, close },
  };
}

/** Looks again and again, for so many seconds at most. */
export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  { seconds = 40 }: { readonly seconds?: number } = {},
): Promise<void> {
  for (let turn = 0; turn < seconds * 20; turn++) {
    if (await done()) return;
    await sleep(50);
  }
  throw new Error(`not in time: ${what}`);
}

export const ofApid = (apid: number) => ({
  ...{ type: 'ValueSet' as const, name: 'apid', include: true },
  values: [{ type: 'UShort' as const, value: apid }],
});

/** Raw telemetry packets of one APID. */
export const telemetry = (apid: number) => ({
  ...{ productType: 'PktTmRaw', domain: ['esa', 'solo'], sources: null },
  attributeFilter: [ofApid(apid)],
});

/** Orders files to a target; answers with the id. */
export async function orderFiles(
  client: HttpClient,
  deliverTo: string,
  order: Pick<OrderRequest, 'productFilter'> & Partial<OrderRequest>,
): Promise<bigint> {
  const { orderID } = await client.submitOrder({
    ...{ user: null, deliveryMethod: 'FILETRANSFER', comments: null, validityPeriod: null },
    ...order,
    deliverTo,
  });
  return orderID;
}

/** Names of the response files in a folder. */
export const responseFiles = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.xml'));

/** Every packet of these files once, none left out. */
export async function expectConsecutive(files: readonly string[]): Promise<void> {
  const counts: number[] = [];
  for (const file of files)
    for await (const element of readResponse([readFileSync(file)]))
      counts.push(decodeRecord((element as RawElement).bytes).header.ssc);
  counts.sort((a, b) => a - b);
  expect(counts.length).toBeGreaterThan(10);
  expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => counts[0]! + index));
}
