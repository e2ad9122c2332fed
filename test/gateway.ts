import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { stringify } from 'yaml';
import { parseConfig } from '../src/config/index.js';
import type { Principal } from '../src/gateway/api.js';
import { type Started, startGateway } from '../src/main.js';
import { testStore } from '../src/store/testing.js';

/** A whole gateway in this process: test database, archive folder, delivery folder, HTTP on a free port. */
export interface TestGateway extends Started {
  readonly dir: string;
  /** The archive's folder; products are files below it, in domain `[local]`. */
  readonly products: string;
  /** The one folder that orders may deliver below. */
  readonly delivered: string;
  readonly databaseUrl: string;
  readonly operator: Principal;
  /** A new API key. */
  key(principal: string): Promise<string>;
  /** Stops it and removes its database and folders. */
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  /** Laid over the test's own gateway.yaml, section by section. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Database of another test gateway, to share it. */
  readonly share?: TestGateway;
  /** Where to log to; default nowhere, or what MPD_TEST_LOG says. */
  readonly log?: Logger;
}

export async function testGateway({ config = {}, share, log: given }: TestGatewayOptions = {}): Promise<TestGateway> {
  const dir = share?.dir ?? mkdtempSync(join(tmpdir(), 'mpd-gateway-'));
  const products = join(dir, 'products');
  const delivered = join(dir, 'delivered');
  for (const folder of [products, delivered]) mkdirSync(folder, { recursive: true });
  const database = share ? null : await testStore();
  const databaseUrl = share?.databaseUrl ?? database!.url;
  const own = {
    store: { url: databaseUrl },
    listen: { http: { port: 0 } },
    access: {
      principals: [
        { id: 'operator', role: 'operator' },
        { id: 'alice' },
        { id: 'bob' },
        { id: 'restricted', policy: { productTypes: ['none'] } },
      ],
    },
    backends: [{ id: 'local', kind: 'archive', domain: ['local'], path: products, settle: '50ms', sweep: '1s' }],
    targets: { allow: [{ scheme: 'file', root: delivered }] },
    delivery: { lease: '3s', retry: { first: '50ms', longest: '500ms' } },
    log: { level: 'silent' },
  };
  const parsed = parseConfig(stringify({ ...own, ...config }), { file: null, folder: dir });
  const log = given ?? pino({ level: process.env.MPD_TEST_LOG ?? 'silent' });
  const started = await startGateway(parsed.config, { log });
  await untilReady(started);
  return {
    ...started,
    dir,
    products,
    delivered,
    databaseUrl,
    operator: await started.gateway.access.principal('operator'),
    key: async (principal) => (await started.gateway.access.createKey(principal, {})).key,
    async close() {
      await started.stop();
      await database?.close();
      if (!share) rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Every backend imported, every part well. */
async function untilReady({ gateway }: Started): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const { ready } = await gateway.health();
    if (ready) return;
    await sleep(50);
  }
  throw new Error(`the gateway is not ready: ${JSON.stringify(await gateway.health())}`);
}
