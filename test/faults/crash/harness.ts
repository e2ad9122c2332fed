import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { connect } from '../../../src/client/index.js';
import { createAccess } from '../../../src/gateway/access/access.js';
import { CRASH_POINTS } from '../../../src/gateway/crash-point.js';
import { coreMigrations } from '../../../src/gateway/migrations.js';
import type { CoreTables } from '../../../src/gateway/schema.js';
import { isServerOf, readPostmaster } from '../../../src/store/embedded/postmaster.js';
import { attachEmbedded, migrate, openStore, storeMigrations } from '../../../src/store/index.js';
import { testStore } from '../../../src/store/testing.js';
import { judge, type Verdict } from './judge.js';
import { type GatewayProcess, startProcess } from './process.js';
import { createProducer, watchFolder } from './products.js';
import { seeded } from './random.js';

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** 1: the embedded database, which is killed too. 2: two gateways on one database, killed in turn. */
  readonly gateways: 1 | 2;
  readonly say?: (line: string) => void;
}

export type CrashResult = Verdict & { readonly kills: number };

/** Kills gateways and databases while products arrive, then compares whole trees and the whole ledger. */
export async function crash({ kills, seed, gateways, say = () => {} }: CrashOptions): Promise<CrashResult> {
  const random = seeded(seed);
  const dir = mkdtempSync(join(tmpdir(), 'mpd-crash-'));
  chmodSync(dir, 0o755);
  const delivered = join(dir, 'delivered');
  mkdirSync(delivered);
  const shared = gateways === 2 ? await testStore<CoreTables>() : null;
  const where = shared ? { url: shared.url } : { dir: join(dir, 'store') };
  const products = join(dir, 'products');
  const producer = createProducer(products, random);
  const config = join(dir, 'gateway.yaml');
  writeFileSync(
    config,
    stringify({
      store: where,
      listen: { http: { port: 0 } },
      access: { principals: [{ id: 'operator', role: 'operator' }] },
      backends: [{ id: 'local', kind: 'archive', domain: ['local'], path: products, settle: '50ms', sweep: '2s' }],
      targets: { allow: [{ scheme: 'file', root: delivered }] },
      delivery: { lease: '3s', retry: { first: '50ms', longest: '500ms' } },
      log: { level: 'info' },
    }),
  );
  const key = await prepareKey(where);
  const log = join(dir, 'gateway.log');
  const start = (crashAt: string | null) => startProcess(config, log, crashAt);
  const running: GatewayProcess[] = [];
  const watcher = watchFolder(delivered, producer);
  let producing = true;
  const producers = (async () => {
    while (producing) {
      producer.step();
      await sleep(random.between(5, 60));
    }
  })();
  let kept = false;
  try {
    for (let i = 0; i < gateways; i++) running.push(start(null));
    const url = await running[0]!.ready;
    if (url === null) throw new Error(`the gateway did not start: ${tail(log)}`);
    const client = connect(url, { key });
    await waitReady(url);
    await client.submitStandingOrder({
      orderID: null,
      user: 'operator',
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: `file://${delivered}`,
      comments: null,
    });
    await client.close();
    // Everything from here on must arrive; what was there before the order is history.
    const history = new Map([...producer.contents].map(([key, contents]) => [key, contents.length]));
    for (let kill = 1; kill <= kills; kill++) {
      const index = random.between(0, running.length - 1);
      const how = random.pick(
        gateways === 1 ? (['gateway', 'database', 'both', 'point', 'point'] as const) : (['gateway', 'point'] as const),
      );
      say(`${kill}/${kills} ${how}`);
      if (how === 'point') {
        const point = `${random.pick(CRASH_POINTS)}:${random.between(1, 8)}`;
        await running[index]!.kill();
        running[index] = start(point);
        await Promise.race([running[index]!.ended, sleep(10_000)]);
      } else {
        await running[index]!.ready;
        await sleep(random.between(100, 1500));
        if (how !== 'gateway') killDatabase(join(dir, 'store'));
      }
      if (how !== 'database') {
        await running[index]!.kill();
        running[index] = start(null);
      }
    }
    producing = false;
    await producers;
    const verdict = await judge({
      databaseUrl: async () => shared?.url ?? (await attachEmbedded(join(dir, 'store')))?.url,
      delivered,
      producer,
      history,
      patience: 90_000,
    });
    const { partial } = watcher.stop();
    for (const gateway of running) await gateway.stop();
    const result = {
      ...verdict,
      partial: verdict.partial + partial.length,
      details: [...verdict.details, ...partial],
      kills,
    };
    kept = result.details.length > 0;
    return result;
  } catch (error) {
    kept = true;
    throw error;
  } finally {
    producing = false;
    watcher.stop();
    for (const gateway of running) await gateway.kill();
    killDatabase(join(dir, 'store'));
    await shared?.close();
    if (kept) say(`kept for a look: ${dir}`);
    else rmSync(dir, { recursive: true, force: true });
  }
}

async function prepareKey(where: { readonly url: string } | { readonly dir: string }): Promise<string> {
  const store = await openStore<CoreTables>(where);
  try {
    await migrate(store.db, { ...storeMigrations, ...coreMigrations });
    const access = createAccess(store.db);
    await access.syncConfigured([{ id: 'operator', role: 'operator', policy: null }]);
    return (await access.createKey('operator', {})).key;
  } finally {
    await store.close();
  }
}

async function waitReady(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error('the gateway did not become ready');
}

function killDatabase(store: string): void {
  const data = join(store, 'data');
  const server = readPostmaster(data);
  if (!server || !isServerOf(server.pid, data)) return;
  try {
    process.kill(server.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const tail = (file: string): string => readFileSync(file, 'utf8').split('\n').slice(-5).join('\n');
