import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { isTemporaryName } from '../../src/gateway/delivery/file-name.js';
import type { TargetDependencies, TargetModule } from '../../src/gateway/target.js';
import { loadTargets } from '../../src/modules.js';
import { isMpdError } from '../../src/mpd/index.js';
import { targetConformance } from '../conformance/index.js';
import { type TestGateway, testGateway } from '../gateway.js';

const MODULE = join(import.meta.dirname, '../../docs/examples/gzip-target.js');

let root: string;
let gateway: TestGateway;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mpd-vault-'));
  gateway = await testGateway({
    config: { targets: { modules: [MODULE], allow: [{ scheme: 'gzip', host: 'vault', root }] } },
  });
});
afterAll(async () => {
  await gateway?.close();
  await rm(root, { recursive: true, force: true });
});

const own = async (): Promise<TargetModule> => (await loadTargets([MODULE])).at(-1)!;

let places = 0;

targetConformance('docs/examples/gzip-target.js', {
  async create() {
    const { createTarget } = await own();
    const allow = [{ scheme: 'gzip', host: 'vault', root }];
    const dependencies = { log: pino({ level: 'silent' }), guard: undefined as never } satisfies TargetDependencies;
    return createTarget({ allow, named: {}, inlineCredentials: false }, dependencies);
  },
  async place() {
    const name = `place ${places++}`;
    const folder = join(root, name);
    await mkdir(folder);
    const fileOf = (path: string): string =>
      join(folder, isTemporaryName(path.split('/').at(-1)!) ? path : `${path}.gz`);
    const list = async (): Promise<string[]> =>
      (await readdir(folder, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) =>
          join(entry.parentPath, entry.name)
            .slice(folder.length + 1)
            .replace(/\.gz$/, ''),
        );
    return {
      uri: new URL(`gzip://vault/${encodeURIComponent(name)}`),
      list,
      read: async (path) => new Uint8Array(gunzipSync(await readFile(fileOf(path)))),
      async write(path, content) {
        await mkdir(dirname(fileOf(path)), { recursive: true });
        await writeFile(fileOf(path), gzipSync(content));
      },
      async corrupt() {
        const [temporary] = await list();
        const file = await open(join(folder, temporary!), 'r+');
        while ((await file.stat()).size < 1000) await sleep(5);
        await file.write(Buffer.alloc(200, 0xaa), 0, 200, 500);
        await file.close();
      },
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  },
  refused: [[() => 'gzip://elsewhere/x', /no gzip host elsewhere/]],
  notYet: () => ['gzip://vault/not/there', /no such file or directory/],
  skip: { directoryInTheWay: 'a folder never has the name of a compressed file' },
});

it('orders deliver to it, and a host that nobody allowed is refused', async () => {
  await mkdir(join(root, 'in'));
  const order = {
    user: null,
    productFilter: null,
    validityPeriod: null,
    deliveryMethod: 'FILETRANSFER',
    deliverTo: 'gzip://vault/in',
    comments: null,
  } as const;
  await gateway.gateway.orders.submit(order, gateway.operator);
  const refused = gateway.gateway.orders.submit({ ...order, deliverTo: 'gzip://other/in' }, gateway.operator);
  await expect(refused).rejects.toSatisfy((error) => isMpdError(error, 'Order Failed'));
  await writeFile(join(gateway.products, 'telemetry.bin'), 'telemetry');
  const stored = join(root, 'in/telemetry.bin.gz');
  await vi.waitFor(() => expect(existsSync(stored)).toBe(true), { timeout: 30_000, interval: 50 });
  expect(gunzipSync(await readFile(stored)).toString()).toBe('telemetry');
});
