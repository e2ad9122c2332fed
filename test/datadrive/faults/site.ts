import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import type { DataDriveSimulator, FileDocument, PutResult } from '../../../simulators/datadrive/index.js';
import { counted } from '../../../src/cli/output/human.js';
import { runCli } from '../../../src/cli/testing.js';
import { parseConfig } from '../../../src/config/index.js';
import type { DeliveryInfo, OrderRequest, Principal } from '../../../src/gateway/api.js';
import { type Started, startGateway } from '../../../src/main.js';
import type { ProductMetadata } from '../../../src/mpd/index.js';
import { testStore } from '../../../src/store/testing.js';
import type { Service } from '../../services/index.js';
import { configFor } from '../backend.js';
import { startOn } from '../harness.js';

export const PACKAGE = 'm2020-spice';
export const KERNEL = 'm2020-spice-kernel';

/** A whole gateway before a stand-in, and everything that a person can see of it. */
export interface FaultSite {
  readonly dd: DataDriveSimulator;
  readonly gateway: Started['gateway'];
  readonly operator: Principal;
  /** Forgets what was seen so far, and makes an order for a folder of its own. */
  scene(folder: string, order?: Partial<OrderRequest>): Promise<Scene>;
  close(): Promise<void>;
}

/** One fault on the stage: an order for the files below one folder, which delivers them to another. */
export interface Scene {
  readonly site: FaultSite;
  readonly dd: DataDriveSimulator;
  readonly folder: string;
  readonly orderID: bigint;
  put(name: string, text?: string, metadata?: Readonly<Record<string, unknown>>): Promise<PutResult>;
  documents(): readonly FileDocument[];
  ledger(): Promise<readonly DeliveryInfo[]>;
  /** Waits until so many rows are in one of these states, then long enough for a repetition to show. */
  settled(count: number, states?: readonly string[]): Promise<void>;
  delivered(name: string): string;
  /** Adds to what is said of the state. */
  note(text: string): void;
  /** What these commands print, without what differs from run to run. */
  doctor(): Promise<string>;
  products(): Promise<string>;
  cause(): Promise<string>;
  /** Adds to what a person sees. */
  see(text: string): void;
  state(): Promise<string>;
  sees(): string;
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly message: string };
}

export async function faultSite(
  index: Service,
  s3: Service,
  change: (dd: DataDriveSimulator) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<FaultSite> {
  const dir = mkdtempSync(join(tmpdir(), 'mpd-faults-'));
  const dd = await startOn(index, s3, { pageSize: 2 });
  const store = await testStore();
  const lines: LogLine[] = [];
  const log = pino({ level: 'info' }, { write: (text: string) => void lines.push(JSON.parse(text) as LogLine) });
  const delivered = join(dir, 'delivered');
  mkdirSync(delivered);
  const yaml = stringify({
    store: { url: store.url },
    listen: { http: { port: 0 } },
    access: { principals: [{ id: 'operator', role: 'operator' }] },
    backends: [{ ...configFor(dd, s3, change(dd)), kind: 'datadrive' }],
    targets: { allow: [{ scheme: 'file', root: delivered }] },
    delivery: { retry: { first: '50ms', longest: '200ms' } },
  });
  const file = join(dir, 'gateway.yaml');
  writeFileSync(file, yaml);
  const started = await startGateway(parseConfig(yaml, { file: null, folder: dir }).config, { log });
  const { gateway } = started;
  for (let tries = 0; !(await gateway.health()).ready; tries++) {
    if (tries === 600) throw new Error(`the gateway is not ready: ${JSON.stringify(await gateway.health())}`);
    await sleep(100);
  }
  const operator = await gateway.access.principal('operator');
  const { key } = await gateway.access.createKey('operator', {});
  const env = { MPD_GATEWAY_URL: started.urls.http ?? '', MPD_GATEWAY_KEY: key };

  /** Names and numbers of this run → those of the table. */
  const plain = (text: string): string =>
    text
      .replaceAll(dd.searchUrl, 'https://index')
      .replaceAll(dd.url, 'https://datadrive')
      .replaceAll(dd.buckets[0]?.replace(PACKAGE, '') ?? '', '')
      .replaceAll(s3.url, 'https://s3')
      .replaceAll(new URL(s3.url).port, '<port>')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>');

  const site: FaultSite = {
    ...{ dd, gateway, operator },
    async scene(folder, over = {}) {
      const target = join(delivered, folder);
      mkdirSync(target);
      const { orderID } = await gateway.orders.submit(
        {
          ...{ user: null, productFilter: null, validityPeriod: null, comments: null },
          ...{ deliveryMethod: 'FILETRANSFER', deliverTo: `file://${target}`, tree: { pathPrefix: `${folder}/` } },
          ...over,
        },
        operator,
      );
      lines.length = 0;
      const notes: string[] = [];
      const seen: string[] = [];
      const ledger = () => gateway.deliveries.list(orderID, { limit: 200 }, operator);
      const see = (text: string): void => void (seen.includes(plain(text)) || seen.push(plain(text)));
      const scene: Scene = {
        ...{ site, dd, folder, orderID, ledger, see },
        put: (file, text = `bytes of ${file}`, metadata = { kernel_type: 'CK' }) =>
          dd.put({
            ...{ package: PACKAGE, fullName: `/${folder}/${file}`, type: KERNEL },
            ...{ body: Buffer.from(text), metadata },
          }),
        documents: () => dd.files().filter((document) => document.ocs_full_name.startsWith(`/${folder}/`)),
        async settled(count, states = ['notified']) {
          const there = async () => (await ledger()).filter(({ state }) => states.includes(state)).length;
          await expect.poll(there, { timeout: 90_000, interval: 100 }).toBe(count);
          await sleep(800);
        },
        delivered: (file) => readFileSync(join(target, file), 'utf8'),
        note: (text) => void notes.push(text),
        async doctor() {
          const { code, json } = await runCli(['doctor', '--backend', 'm2020', '--config', file, '--json'], {
            cwd: dir,
          });
          const wrong = json.filter(({ state }) => state !== 'ok');
          const said = wrong.map(
            ({ part, found, todo }) => `${String(part).replace('backend m2020: ', '')}: ${found} → ${todo}`,
          );
          return plain(`doctor (exit ${code}): ${wrong.length === 0 ? 'all is well' : said.join('; ')}`);
        },
        async products() {
          const { code, json, stderr } = await runCli(['products', 'list', '--path', `${folder}/`, '--json'], { env });
          const keys = json.map(({ metadata }) => JSON.stringify((metadata as ProductMetadata).productRef));
          const each = new Set(keys).size === keys.length ? 'each once' : 'some twice';
          return plain(
            `products list (exit ${code}): ${code === 0 ? `${counted(keys.length, 'product')}, ${each}` : stderr.trim()}`,
          );
        },
        async cause() {
          const { json } = await runCli(['orders', 'deliveries', String(orderID), '--json'], { env });
          const said = json.map(({ state, sourceCheck, cause }) =>
            [
              state === 'queued' || state === 'sending' ? 'waiting' : state,
              sourceCheck === 'mismatch' ? 'source check mismatch' : null,
              cause,
            ]
              .filter(Boolean)
              .join(', '),
          );
          return plain(`orders deliveries: ${said.join('; ')}`);
        },
        async state() {
          const rows = await ledger();
          return [...ledgerText(rows, target, scene.documents()), ...notes].join('; ');
        },
        sees() {
          const logged = lines
            .filter(({ level }) => level >= 40)
            .map(({ msg, err }) => plain(`log: ${msg}${err === undefined ? '' : `: ${err.message}`}`));
          const all = [...new Set([...logged, ...seen])];
          return all.length === 0 ? 'nothing' : all.join('\n');
        },
      };
      return scene;
    },
    async close() {
      await started.stop();
      await store.close();
      await dd.stop({ destroy: true });
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return site;
}

/** `3 delivered once, byte for byte`, and whatever else the ledger holds. */
function ledgerText(rows: readonly DeliveryInfo[], folder: string, documents: readonly FileDocument[]): string[] {
  const texts = new Map<string, number>();
  const add = (text: string): void => void texts.set(text, (texts.get(text) ?? 0) + 1);
  for (const row of rows) {
    if (row.state !== 'notified') {
      add(`${row.state}${row.errorClass === null ? '' : ` (${row.errorClass})`}`);
      continue;
    }
    const document = documents.find(({ ocs_dataset_id }) => ocs_dataset_id === row.ref.key);
    const path = join(folder, row.filename ?? '');
    const same = document && existsSync(path) && document.ocs_etag === etagOf(readFileSync(path), document.ocs_etag);
    const repeated =
      rows.filter((other) => other.ref.key === row.ref.key && other.revision === row.revision).length > 1;
    const how = repeated || row.round > 0 ? 'more than once' : 'once';
    const attempts = row.attempts > 1 ? ' at a later attempt' : '';
    const flag = row.sourceCheck === 'mismatch' ? ', flagged: not what the source says of it' : '';
    add(`delivered ${how}${attempts}${same ? ', byte for byte' : ', with other bytes'}${flag}`);
  }
  const named = new Set(rows.filter(({ state }) => state === 'notified').map(({ filename }) => filename));
  const extra = readdirSync(folder).length - named.size;
  if (extra !== 0) add(`${extra} files without a row`);
  return [...texts].map(([text, count]) => `${count} ${text}`);
}

function etagOf(bytes: Buffer, like: string): string {
  const md5 = createHash('md5').update(bytes);
  if (!like.includes('-')) return md5.digest('hex');
  return `${createHash('md5').update(md5.digest()).digest('hex')}-1`;
}
