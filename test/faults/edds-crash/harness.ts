import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { connectHttp, type HttpClient } from '../../../src/client/index.js';
import { createAccess } from '../../../src/gateway/access/access.js';
import { coreMigrations } from '../../../src/gateway/migrations.js';
import type { CoreTables } from '../../../src/gateway/schema.js';
import { storeMigrations } from '../../../src/store/index.js';
import { testStore } from '../../../src/store/testing.js';
import { type GatewayProcess, startProcess } from '../crash/process.js';
import { type Random, seeded } from '../crash/random.js';
import { judge, type Verdict } from './judge.js';
import { type SimulatorProcess, simulatorProcess } from './simulator.js';

export interface EddsCrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

export type EddsCrashResult = Verdict & { readonly kills: number };

/** Live packets show this long after they were filed, ms. */
const LIVE_DELAY = 60_000;
/** Kinds of packets: of the order that runs all the time, and of those that come and go. */
const MAIN_APID = 1444;
const PASSING_APIDS = [1420, 1436, 1452] as const;
const HOW = ['gateway', 'simulator', 'both', 'gateway', 'simulator'] as const;
const TROUBLE = ['lost-answer', 'tokens', 'streams fail', 'cut', 'none'] as const;

/**
 * Kills the gateway and the EDDS simulator with SIGKILL at random moments, while one stream order runs and others come and go,
 * answers are lost, tokens expire and streams fail; then compares every packet and every request.
 */
export async function eddsCrash({ kills, seed, say = () => {} }: EddsCrashOptions): Promise<EddsCrashResult> {
  const random = seeded(seed);
  const dir = mkdtempSync(join(tmpdir(), 'mpd-edds-crash-'));
  const delivered = join(dir, 'delivered');
  const main = 'main';
  mkdirSync(join(delivered, main), { recursive: true });
  const store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
  const log = join(dir, 'gateway.log');
  let simulator: SimulatorProcess | null = null;
  let gateway: GatewayProcess | null = null;
  let isKept = true;
  try {
    const access = createAccess(store.db);
    await access.syncConfigured([{ id: 'operator', role: 'operator', policy: null }]);
    const { key } = await access.createKey('operator', {});
    simulator = await simulatorProcess(join(dir, 'edds'), join(dir, 'simulator.log'));
    const config = join(dir, 'gateway.yaml');
    writeFileSync(config, gatewayYaml(store.url, simulator.wsdlUrl, delivered, join(dir, 'cache')));
    const start = () => startProcess(config, log, null);
    gateway = start();
    const orders = passingOrders(delivered, random);
    const withClient = async <T>(work: (client: HttpClient) => Promise<T>): Promise<T> => {
      const url = await gateway!.ready;
      if (url === null) throw new Error(`the gateway did not start: ${tail(log)}`);
      const client = connectHttp(url, { key });
      try {
        return await work(client);
      } finally {
        await client.close();
      }
    };
    await withClient((client) => submit(client, MAIN_APID, join(delivered, main)));
    await until(() => readdirSync(join(delivered, main)).length > 0, 'the first part is delivered', log);

    for (let kill = 1; kill <= kills; kill++) {
      const how = random.pick(HOW);
      const trouble = random.pick(TROUBLE);
      say(`${kill}/${kills} ${how}, ${trouble}`);
      await makeTrouble(simulator, trouble);
      if (random.next() < 0.6) await withClient((client) => orders.change(client)).catch(() => undefined);
      await sleep(random.between(0, random.next() < 0.5 ? 250 : 2500));
      if (how !== 'gateway') await simulator.kill();
      if (how !== 'simulator') await gateway.kill();
      await sleep(random.between(0, 1500));
      if (how !== 'gateway') await simulator.start();
      if (how !== 'simulator') gateway = start();
      await simulator.control('clear', {});
      await gateway.ready;
    }
    // Everything that was there to be had by now has to come.
    const wanted = BigInt(Date.now() - LIVE_DELAY) * 1_000_000n;
    await withClient((client) => orders.cancelAll(client));
    const verdict = await settled(async () =>
      judge({
        databaseUrl: store.url,
        delivered,
        main,
        simulator: (await simulator!.control('state'))!,
        until: wanted,
      }),
    );
    isKept = verdict.details.length > 0;
    return { ...verdict, kills };
  } finally {
    await gateway?.kill();
    await simulator?.kill();
    await store.close();
    if (isKept) say(`kept for a look: ${dir}`);
    else rmSync(dir, { recursive: true, force: true });
  }
}

const gatewayYaml = (url: string, wsdl: string, delivered: string, cache: string): string =>
  stringify({
    store: { url },
    listen: { http: { port: 0 } },
    access: { principals: [{ id: 'operator', role: 'operator' }] },
    backends: [
      {
        id: 'solo',
        kind: 'edds',
        domain: ['esa', 'solo'],
        wsdl,
        username: 'ops',
        password: 'ops',
        mission: 'SOL',
        catalogue: '1s',
        poll: '100ms',
        partSeconds: 1,
        cache: { path: cache },
        site: { limits: { poll: 20, pollMax: 200 } },
      },
    ],
    targets: { allow: [{ scheme: 'file', root: delivered }] },
    delivery: { lease: '3s', retry: { first: '50ms', longest: '500ms' } },
    log: { level: 'info' },
  });

const submit = async (client: HttpClient, apid: number, folder: string): Promise<bigint> => {
  const { orderID } = await client.submitOrder({
    user: null,
    deliveryMethod: 'FILETRANSFER',
    deliverTo: `file://${folder}`,
    comments: null,
    validityPeriod: null,
    productFilter: {
      productType: 'PktTmRaw',
      domain: ['esa', 'solo'],
      sources: null,
      attributeFilter: [{ type: 'ValueSet', name: 'apid', include: true, values: [{ type: 'UShort', value: apid }] }],
    },
  });
  return orderID;
};

/** Orders that come and go, so that there are always requests on their way. */
function passingOrders(delivered: string, random: Random) {
  const open: bigint[] = [];
  let count = 0;
  return {
    async change(client: HttpClient): Promise<void> {
      if (open.length >= 2) return client.cancelStandingOrder(open.shift()!);
      const folder = join(delivered, `passing-${++count}`);
      mkdirSync(folder);
      open.push(await submit(client, random.pick(PASSING_APIDS), folder));
    },
    async cancelAll(client: HttpClient): Promise<void> {
      for (const id of open.splice(0)) await client.cancelStandingOrder(id);
    },
  };
}

async function makeTrouble(simulator: SimulatorProcess, trouble: (typeof TROUBLE)[number]): Promise<void> {
  if (trouble === 'tokens') await simulator.control('expire-tokens', {});
  if (trouble === 'cut') await simulator.control('fault', { effect: 'reset-midway', operation: 'getResponse' });
  if (trouble === 'lost-answer') {
    for (const operation of ['streamRequest', 'batchRequest'])
      await simulator.control('fault', { effect: 'lost-answer', operation });
  }
  if (trouble !== 'streams fail') return;
  await simulator.control('switches', { fail: 'the archive is being rebuilt' });
  await sleep(150);
  await simulator.control('switches', { fail: null });
}

/** The verdict once it does not complain any more, or after a while. */
async function settled(look: () => Promise<Verdict>): Promise<Verdict> {
  const end = Date.now() + 60_000;
  for (;;) {
    const verdict = await look();
    if (verdict.details.length === 0 || Date.now() > end) return verdict;
    await sleep(500);
  }
}

async function until(done: () => boolean, what: string, log: string): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (done()) return;
    await sleep(100);
  }
  throw new Error(`not in time: ${what}\n${tail(log)}`);
}

const tail = (file: string): string => readFileSync(file, 'utf8').split('\n').slice(-5).join('\n');
