import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import { parseConfig } from '../../src/config/index.js';
import { type Started, startGateway } from '../../src/main.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { describeWithService, type Service, unique } from '../services/index.js';
import { configFor } from './backend.js';
import { startOn } from './harness.js';

const DATASET = join(import.meta.dirname, '../../../shared/datasets/m2020-spice');
const present = existsSync(DATASET);
const note = present ? '' : ' (skipped: the data set is not beside this checkout)';

/** Release, deliveries it makes, files that are there after it: 12 new; 13 new and 7 changed; 11 new and 15 changed. */
const RELEASES = [
  ['release1', 12, 12],
  ['release2', 20, 25],
  ['release3', 26, 36],
] as const;

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => relative(folder, join(item.parentPath, item.name)));

/** Every file of the release lies in the folder, byte for byte, and nothing else. */
function expectRelease(release: string, delivered: string): void {
  const source = (name: string): string => name.split('/').at(-1) ?? '';
  const wanted = new Map(
    filesBelow(join(DATASET, release)).map((file) => [source(file), sha256(join(DATASET, release, file))]),
  );
  const found = new Map(filesBelow(delivered).map((file) => [source(file), sha256(join(delivered, file))]));
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted));
}

const backendConfig = (dd: DataDriveSimulator, s3: Service) => ({
  ...configFor(dd, s3, { feed: { poll: 300, sweep: '10s' }, packages: ['m2020-spice'] }),
  kind: 'datadrive',
});

const order = (deliverTo: string) => ({
  ...{ user: null, productFilter: null, validityPeriod: null, comments: null },
  ...{ deliveryMethod: 'FILETRANSFER' as const, deliverTo, pathTemplate: '{folder}' },
});

await describeWithService(
  ['elasticsearch', 'versitygw', 'openssh'],
  `the Mars 2020 SPICE releases through DataDrive${note}`,
  (index, s3, sftp) => {
    describe.skipIf(!present || !sftp.localFolder)('to an SFTP server, with a disturbed feed', () => {
      let dd: DataDriveSimulator;
      let gateway: TestGateway;
      let orderID: bigint;
      const folder = unique('m2020');
      const local = join(sftp.localFolder ?? '', folder);

      beforeAll(async () => {
        const { uid, gid } = statSync(sftp.localFolder ?? '');
        mkdirSync(local);
        chownSync(local, uid, gid);
        dd = await startOn(index, s3);
        const { username, password, hostKey } = sftp;
        const { hostname, port } = new URL(sftp.url);
        gateway = await testGateway({
          config: {
            backends: [backendConfig(dd, s3)],
            targets: {
              allow: [{ scheme: 'sftp', host: hostname, port: Number(port) }],
              named: { ops: { uri: `${sftp.url}${sftp.folder}/${folder}`, username, password, hostKey } },
            },
          },
        });
        orderID = (await gateway.gateway.orders.submit(order('named:ops'), gateway.operator)).orderID;
        dd.setFault('dropEvents', true, { count: 20 });
        dd.setFault('dupEvents', true);
        dd.setFault('shuffleEvents', 5);
      });
      afterAll(async () => {
        await gateway?.close();
        await dd?.stop({ destroy: true });
        rmSync(local, { recursive: true, force: true });
      });
      const ledger = () => gateway.gateway.deliveries.list(orderID, { limit: 1000 }, gateway.operator);

      it.each(RELEASES)('%s makes exactly %i deliveries, byte for byte, once each', async (release, deliveries) => {
        const before = (await ledger()).length;
        // The index shows some of the documents a second after their events.
        dd.setFault('indexLagMs', 1000, { count: 6 });
        await dd.load(join(DATASET, release), { package: 'm2020-spice' });
        const notified = async () => (await ledger()).filter((row) => row.state === 'notified').length;
        await expect.poll(notified, { timeout: 90_000, interval: 250 }).toBe(before + deliveries);
        // What was indexed again unchanged must not come later either.
        await new Promise((resolve) => setTimeout(resolve, 2500));
        expect(await ledger()).toHaveLength(before + deliveries);
        expectRelease(release, local);
      });

      it('checks each file against the md5 that the index gives: the one wrong label is flagged', async () => {
        const rows = (await ledger()).filter((row) => row.sourceCheck === 'mismatch');
        expect(rows.map((row) => row.filename)).toEqual([
          expect.stringContaining('collection_spice_kernels_inventory_v001.csv'),
        ]);
        expect(rows[0]).toMatchObject({ state: 'notified', targetCheck: 'verified', bytes: 351n });
      });

      it('proves that nothing is missing', async () => {
        const query = { created: null, limit: 100, signal: AbortSignal.timeout(30_000) };
        const proof = await gateway.gateway.deliveries.missing(orderID, query, gateway.operator);
        expect(proof).toMatchObject({ held: 36, delivered: 36, underway: 0, missing: [], more: false });
      });
    });

    describe.skipIf(!present)('to a bucket', () => {
      it('lands every file of a release, verified by the SHA-256 that the bucket checks', async () => {
        const dd = await startOn(index, s3);
        const bucket = dd.buckets[1] ?? '';
        const account = { endpoint: s3.url, accessKeyId: s3.username, secretAccessKey: s3.password };
        const gateway = await testGateway({
          config: {
            backends: [backendConfig(dd, s3)],
            targets: {
              allow: [{ scheme: 's3', host: bucket }],
              named: { b: { uri: `s3://${bucket}/in`, ...account } },
            },
          },
        });
        try {
          const { orderID } = await gateway.gateway.orders.submit(order(`s3://${bucket}/in/deep`), gateway.operator);
          await dd.load(join(DATASET, 'release1'), { package: 'm2020-spice' });
          const ledger = () => gateway.gateway.deliveries.list(orderID, { limit: 100 }, gateway.operator);
          const notified = async () => (await ledger()).filter((row) => row.state === 'notified').length;
          await expect.poll(notified, { timeout: 60_000, interval: 250 }).toBe(12);
          expect(new Set((await ledger()).map((row) => row.targetCheck))).toEqual(new Set(['verified']));
        } finally {
          await gateway.close();
          await dd.stop({ destroy: true });
        }
      });
    });

    describe.skipIf(!present)('with kill -9 of the gateway in between', () => {
      let dd: DataDriveSimulator;
      let store: TestStore<unknown>;
      let looking: Started;
      const dir = mkdtempSync(join(tmpdir(), 'mpd-datadrive-'));
      const delivered = join(dir, 'delivered');
      const children = new Set<ChildProcess>();

      beforeAll(async () => {
        mkdirSync(join(delivered, 'in'), { recursive: true });
        dd = await startOn(index, s3);
        store = await testStore();
        const yaml = stringify({
          store: { url: store.url },
          listen: { http: { enabled: false } },
          access: { principals: [{ id: 'operator', role: 'operator' }] },
          backends: [backendConfig(dd, s3)],
          targets: { allow: [{ scheme: 'file', root: delivered }] },
          delivery: { lease: '3s', retry: { first: '50ms', longest: '500ms' } },
        });
        writeFileSync(join(dir, 'gateway.yaml'), yaml);
        const { config } = parseConfig(yaml, { file: null, folder: dir });
        looking = await startGateway(config, { log: pino({ level: 'silent' }), run: false });
      });
      afterAll(async () => {
        for (const child of children) child.kill('SIGKILL');
        await looking?.stop();
        await store?.close();
        await dd?.stop({ destroy: true });
        rmSync(dir, { recursive: true, force: true });
      });

      const run = async (
        crashAt?: string,
      ): Promise<{ readonly ended: Promise<string | null>; kill(): Promise<unknown> }> => {
        const script = fileURLToPath(new URL('gateway.test-process.ts', import.meta.url));
        const child = spawn(process.execPath, ['--import', 'tsx', script, join(dir, 'gateway.yaml')], {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { ...process.env, ...(crashAt !== undefined && { MPD_GATEWAY_CRASH_AT: crashAt }) },
        });
        children.add(child);
        const ended = new Promise<string | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
        let errors = '';
        child.stderr.on('data', (data) => {
          errors += data;
        });
        await Promise.race([
          new Promise((resolve) => child.stdout.once('data', resolve)),
          ended.then((signal) => Promise.reject(new Error(`the gateway ended (${signal}): ${errors}`))),
        ]);
        return {
          ended,
          kill() {
            child.kill('SIGKILL');
            return ended;
          },
        };
      };

      it('loses nothing and sends nothing twice', { timeout: 300_000 }, async () => {
        const operator = await looking.gateway.access.principal('operator');
        const imported = () => looking.store.db.selectFrom('backend_state').select('imported_at').executeTakeFirst();
        const first = await run();
        await expect.poll(async () => (await imported())?.imported_at ?? null, { timeout: 60_000 }).not.toBeNull();
        const request = order(`file://${delivered}/in`);
        const { orderID } = await looking.gateway.orders.submit(request, operator);
        await first.kill();
        const ledger = () => looking.gateway.deliveries.list(orderID, { limit: 1000 }, operator);
        let expected = 0;
        for (const [i, [release, deliveries]] of RELEASES.entries()) {
          const crashing = await run(['after-journal:1', 'after-send:5', 'after-landed:9'][i]);
          await dd.load(join(DATASET, release), { package: 'm2020-spice' });
          expect(await crashing.ended).toBe('SIGKILL');
          expected += deliveries;
          const again = await run();
          const notified = async () => (await ledger()).filter((row) => row.state === 'notified').length;
          await expect.poll(notified, { timeout: 90_000, interval: 250 }).toBe(expected);
          expect(await ledger()).toHaveLength(expected);
          await again.kill();
          expectRelease(release, join(delivered, 'in'));
        }
        const told = await looking.store.db
          .selectFrom('event')
          .select('delivery_id')
          .where('type', '=', 'delivered')
          .execute();
        expect(new Set(told.map((row) => row.delivery_id)).size).toBe(told.length);
        expect(told).toHaveLength(expected);
      });
    });
  },
);
