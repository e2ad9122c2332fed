/**
 * `npx tsx bench/datadrive/main.ts [--documents N] [--bytes N] [--files N] [--rounds N] [--only list,body,sftp,small]`: a gateway in a process
 * of its own on a real search server, S3 and SFTP, against bare clients of the same servers, in one run. Prints a table.
 *
 * Bare is what somebody without a gateway would run: the same pages by the same query, the same bytes from S3, the same files
 * stored as safely (flushed, checked, renamed). Growth is of the gateway's resident memory against what it was when warm.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectHttp } from '../../src/client/index.js';
import { service, unique } from '../../test/services/index.js';
import { readRunning } from '../../test/services/state.js';
import { runBuilt } from '../built.js';
import { cpuOf, workspace } from '../core/workspace.js';
import { openBackend } from './backend.js';
import { drain, getObject, http, lines, read, scan, sftpClient } from './bare.js';
import { inTurn, printTable, type Row } from './measure.js';
import { fillIndex, putLarge, putSmall, startBench } from './setup.js';

runBuilt(import.meta.filename);
const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '100000' },
    bytes: { type: 'string', default: String(2 ** 31) },
    files: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'list,body,sftp,small' },
  },
});
const [documents, bytes, files] = [values.documents, values.bytes, values.files].map(Number) as [
  number,
  number,
  number,
];
const asked = new Set(values.only.split(','));
/** Of bodies: how often each is measured. */
const rounds = Number(values.rounds);
const SMALL = 10_000;
/** Transfers at once to one target, as the gateway does by default. */
const AT_ONCE = 8;
/** Logins of the bare client, as many as the gateway makes. */
const LOGINS = 4;
/** Seconds of processor time in two seconds of a gateway that has nothing to do. */
const IDLE = 0.2;

const rows: Row[] = [];
const add = (row: Row): void => {
  rows.push(row);
  process.stderr.write(`${row.what}: ${row.ours} ${row.bare} ${row.ratio?.toFixed(2) ?? ''}\n`);
};
const compare = (what: string, [ours, bare]: readonly [number, number], limit: number | null): void =>
  add({ what, ours: `${ours.toFixed(0)} ms`, bare: `${bare.toFixed(0)} ms`, ratio: ours / bare, limit });
const memory = (growth: number): void =>
  add({ what: '  memory', ours: `${growth.toFixed(0)} MiB`, bare: '', ratio: growth / 100, limit: 1 });

const bench = await startBench();
const { dd, s3, client } = bench;
const sftp = await service('openssh');
const [Bucket = ''] = dd.buckets;
const aliases = Object.values(dd.aliases);
const place = unique('bench');
const landing = join(sftp.localFolder ?? '', place);
const { uid, gid } = statSync(sftp.localFolder ?? '');
for (const folder of [landing, join(landing, 'bare')]) {
  mkdirSync(folder);
  chownSync(folder, uid, gid);
}
const remote = `${sftp.folder}/${place}`;

const backend = {
  ...{ id: 'bench', kind: 'datadrive', domain: ['bench'], elasticsearch: { url: bench.search.url, aliases } },
  s3: {
    ...{ endpoint: s3.url, region: 'us-east-1', buckets: dd.buckets },
    ...{ accessKeyId: s3.username, secretAccessKey: s3.password },
  },
};
const ops = {
  ...{ uri: `${sftp.url}${remote}`, username: sftp.username, password: sftp.password, hostKey: sftp.hostKey },
};
const config = (verify: 'readback' | 'remote') => ({
  backends: [backend],
  targets: { allow: [{ scheme: 'sftp', host: '127.0.0.1' }], named: { ops } },
  delivery: { verify },
});
const gateway = await workspace(config('readback'));

try {
  if (asked.has('list')) await fillIndex(bench, documents);
  const large = asked.has('body') || asked.has('sftp') ? await putLarge(bench, bytes) : '';
  const small = asked.has('small') ? await putSmall(bench, files, SMALL) : [];
  let url = await ready();
  if (asked.has('list')) await listing();
  if (asked.has('body')) await body();
  if (asked.has('sftp')) {
    await delivery('read back', true, 1.1);
    await gateway.stop();
    gateway.configure(config('remote'));
    url = await ready();
    await delivery('size checked', false, 1.1);
    await gateway.stop();
    gateway.configure(config('readback'));
    url = await ready();
  }
  if (asked.has('small')) await smallFiles();

  /** Started, all that the index holds taken down, and the comparison of all ids that follows each start done. */
  async function ready(): Promise<string> {
    const started = await gateway.start();
    for (;;) {
      const answer = await fetch(`${started.url}/readyz`);
      const { ready: done, parts } = (await answer.json()) as { ready: boolean; parts: { importing?: boolean }[] };
      const before = gateway.cpu();
      await sleep(2000);
      const isIdle = gateway.cpu() - before < IDLE;
      if (done && isIdle && !parts.some(({ importing }) => importing)) return started.url;
    }
  }

  function get(path: string, more: Readonly<Record<string, string>> = {}) {
    return http(new URL(path, url), { headers: { authorization: `Bearer ${gateway.key}`, ...more } });
  }

  async function listing(): Promise<void> {
    const alone = await openBackend({ ...backend, id: 'alone' });
    for (const page of [100, 1000]) {
      const bare = () => scan(bench.search.url, aliases, page);
      const what = `page of ${page} of ${documents}`;
      compare(`${what}, as entries`, await inTurn(50, () => alone.list(page), bare, { warm: 20 }), 1.2);
      const ours = async () => JSON.parse((await read(await get(`/api/v1/products?limit=${page}`))).toString());
      compare(`${what}, over HTTP and parsed`, await inTurn(50, ours, bare, { warm: 20 }), null);
    }
    await alone.close();
    const all = async () => lines(await get('/api/v1/products', { accept: 'application/x-ndjson' }));
    const { growth, value } = await gateway.growth(all);
    if (value <= documents) throw new Error(`${value - 1} of ${documents} products came`);
    const bare = () => scan(bench.search.url, aliases, Number.POSITIVE_INFINITY);
    compare(`all ${documents}, NDJSON over HTTP`, await inTurn(rounds, all, bare), 1.3);
    memory(growth);
    await against('rewrites documents', 'exporter', [bench.search.url, ...aliases], all, lines);
  }

  async function body(): Promise<void> {
    const link = await findLink();
    await drain(await get(link, { range: 'bytes=0-67108863' }));
    const ours = async () => drain(await get(link));
    const bare = async () => drain(await getObject(client, Bucket, large));
    const { growth, value } = await gateway.growth(ours);
    if (value !== bytes) throw new Error(`${value} of ${bytes} bytes came`);
    compare(`${bytes / 2 ** 20} MiB, S3 to HTTP client`, await inTurn(rounds, ours, bare, { warm: 0 }), 1.1);
    memory(growth);
    const [mine, plain] = [await processorTime(ours, true), await processorTime(bare, false)];
    add({ what: '  processor, S3 + gateway + client', ours: mine.text, bare: plain.text, ratio: null, limit: null });
    // What all three compute, shared out evenly, against what the bare client took with one process and one leg less.
    const floor = (mine.total * 1000) / availableParallelism();
    const what = '  all of that on every core, at least';
    add({
      what,
      ours: `${floor.toFixed(0)} ms`,
      bare: `${plain.wall.toFixed(0)} ms`,
      ratio: floor / plain.wall,
      limit: null,
    });
    await against('pipes', 'relay', [s3.url, s3.username ?? '', s3.password ?? '', Bucket, large], ours, drain);
  }

  /** Seconds that each process computed during the work, and milliseconds that it took. */
  async function processorTime(work: () => Promise<unknown>, withGateway: boolean) {
    const server = readRunning('versitygw')?.process?.pid;
    const used = (): readonly number[] => {
      const { user, system } = process.cpuUsage();
      const own = (user + system) / 1e6;
      return [server === undefined ? 0 : cpuOf(server), ...(withGateway ? [gateway.cpu()] : []), own];
    };
    const before = used();
    const start = performance.now();
    await work();
    const wall = performance.now() - start;
    const spent = used().map((seconds, i) => seconds - (before[i] ?? 0));
    const total = spent.reduce((sum, seconds) => sum + seconds, 0);
    return { wall, total, text: `${spent.map((seconds) => seconds.toFixed(1)).join(' + ')} s` };
  }

  /** What is lost to the second leg alone, whatever the gateway does. */
  async function against(
    what: string,
    file: 'relay' | 'exporter',
    args: readonly string[],
    ours: () => Promise<unknown>,
    drained: (stream: Readable) => Promise<number>,
  ): Promise<void> {
    const child = spawn(process.execPath, [join(import.meta.dirname, `${file}.js`), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [port] = (await once(child.stdout, 'data')) as [Buffer];
    const theirs = async () => drained(await http(`http://127.0.0.1:${port.toString().trim()}/`));
    compare(`  against a process that only ${what}`, await inTurn(rounds, ours, theirs), null);
    child.kill();
  }

  async function findLink(): Promise<string> {
    const answer = await http(new URL('/api/v1/products:search', url), {
      headers: { authorization: `Bearer ${gateway.key}` },
      body: { tree: { pathPrefix: 'large/' }, limit: 1 },
    });
    const { products } = JSON.parse((await read(answer)).toString()) as { products: { links: { body: string } }[] };
    const link = products[0]?.links.body;
    if (link === undefined) throw new Error('the large file is not listed');
    return link;
  }

  /** Everything below a prefix by an order of its own; resolves when the ledger says that it is done. */
  async function deliver(prefix: string, count: number): Promise<void> {
    const folder = `run-${randomBytes(4).toString('hex')}`;
    mkdirSync(join(landing, folder));
    chownSync(join(landing, folder), uid, gid);
    const own = connectHttp(url, { key: gateway.key });
    const { orderID } = await own.submitOrder({
      ...{ user: null, productFilter: { productType: null, domain: null, sources: null, attributeFilter: null } },
      ...{ tree: { pathPrefix: prefix }, validityPeriod: null, deliveryMethod: 'FILETRANSFER', comments: null },
      ...{ deliverTo: `named:ops/${folder}`, backfill: { axis: 'available', from: null, to: null } },
    });
    for (;;) {
      const { counts } = await own.getOrder(orderID);
      if ((counts.notified ?? 0) >= count) break;
      if ((counts.dead ?? 0) > 0) throw new Error('a delivery died');
      await sleep(count === 1 ? 20 : 200);
    }
    await own.cancelStandingOrder(orderID);
    await own.close();
    rmSync(join(landing, folder), { recursive: true });
  }

  async function delivery(how: string, readBack: boolean, limit: number): Promise<void> {
    await deliver('large/', 1);
    const bare = async () => {
      const login = await sftpClient(sftp);
      await login.put(`${remote}/bare`, 'large.bc', await getObject(client, Bucket, large), { readBack });
      login.end();
    };
    const ours = () => deliver('large/', 1);
    const { growth } = await gateway.growth(ours);
    compare(`${bytes / 2 ** 20} MiB, S3 to SFTP, ${how}`, await inTurn(rounds, ours, bare, { warm: 0 }), limit);
    memory(growth);
  }

  async function smallFiles(): Promise<void> {
    const bare = async () => {
      const logins = await Promise.all(Array.from({ length: LOGINS }, () => sftpClient(sftp)));
      let next = 0;
      const work = async (_: unknown, n: number): Promise<void> => {
        for (let key = small[next++]; key; key = small[next++])
          await logins[n % LOGINS]?.put(`${remote}/bare`, key.slice(6), await getObject(client, Bucket, key), {
            readBack: true,
          });
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      for (const login of logins) login.end();
    };
    let growth = 0;
    const ours = async () => {
      growth = (await gateway.growth(() => deliver('small/', files))).growth;
    };
    const [mine, plain] = await inTurn(1, ours, bare, { warm: 0 });
    const rate = (ms: number): string => `${((files / ms) * 1000).toFixed(0)} files/s`;
    const what = `${files} files of ${SMALL / 1000} kB, S3 to SFTP, read back`;
    add({ what, ours: rate(mine), bare: rate(plain), ratio: mine / plain, limit: null });
    memory(growth);
  }
} finally {
  await gateway.remove();
  rmSync(landing, { recursive: true, force: true });
  await bench.close();
}
printTable(rows);
process.exit(0);
