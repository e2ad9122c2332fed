import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestGateway, testGateway } from '../../test/gateway.js';
import { EXIT } from './exit-codes.js';
import { type CliOptions, type CliRun, runCli } from './testing.js';

let gateway: TestGateway;
let folder: string;
let env: Record<string, string>;
const big = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 255));
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const cli = (line: string | readonly string[], options: CliOptions = {}): Promise<CliRun> =>
  runCli(typeof line === 'string' ? line.split(' ') : line, {
    cwd: folder,
    ...options,
    env: { ...env, ...options.env },
  });

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 40_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    if (await done()) return;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

beforeAll(async () => {
  gateway = await testGateway();
  folder = mkdtempSync(join(tmpdir(), 'mpd-cli-'));
  env = { MPD_GATEWAY_URL: gateway.urls.http!, MPD_GATEWAY_KEY: await gateway.key('operator') };
  mkdirSync(join(gateway.products, 'sub'));
  writeFileSync(join(gateway.products, 'a b.txt'), 'first');
  writeFileSync(join(gateway.products, 'sub', 'big.bin'), big);
  writeFileSync(join(gateway.products, 'sub', 'empty'), '');
  await until('three products', async () => (await cli('products list')).json.length === 3);
});
afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('looking', () => {
  it('lists as JSON lines in a pipe and as a table on a terminal', async () => {
    const { json } = await cli('products list --domain local.*');
    expect(json.map((item) => (item.metadata as { productRef: { key: string } }).productRef.key).sort()).toEqual([
      'a b.txt',
      'sub/big.bin',
      'sub/empty',
    ]);
    const { stdout } = await cli('products list', { columns: 120 });
    expect(stdout.split('\n')[0]).toMatch(/^CREATED +TYPE +SIZE {2}PRODUCT$/);
    expect(stdout).toMatch(/File +293\.0 KiB {2}local\/\d+\/sub\/big\.bin/);
  });

  it('narrows by type, attribute, path, window and count', async () => {
    const keys = async (line: string) =>
      (await cli(line)).json.map((item) => (item.metadata as { productRef: { key: string } }).productRef.key);
    expect(await keys('products list --attr size=1..100')).toEqual(['a b.txt']);
    expect((await keys('products list --type File --path sub/')).sort()).toEqual(['sub/big.bin', 'sub/empty']);
    expect(await keys('products list --created 2000-01-01T00:00:00Z/P1D')).toEqual([]);
    expect(await keys('products list --limit 1')).toHaveLength(1);
    expect(await keys('products list --domain elsewhere')).toEqual([]);
  });

  it('shows one product, by what the list printed or by domain and key', async () => {
    const shown = await cli(['products', 'show', 'local:a b.txt'], { columns: 100 });
    const ref = /product +(\S+)/.exec(shown.stdout)?.[1];
    expect(ref).toMatch(/^local\/\d+\/a%20b\.txt$/);
    expect(await cli(['products', 'show', ref!], { columns: 100 })).toMatchObject({
      code: EXIT.ok,
      stdout: shown.stdout,
    });
    expect(shown.stdout).toContain('size=5');
  });

  it('walks folders', async () => {
    const { stdout } = await cli('products folders', { columns: 100 });
    expect(stdout).toMatch(/^sub\/\n/);
    expect(stdout).toContain('a%20b.txt');
    expect((await cli('products folders sub')).json[0]).toMatchObject({ folders: [], products: [{}, {}] });
  });

  it('knows types, services and mapping tables', async () => {
    expect((await cli('types', { columns: 120 })).stdout).toContain('TelemetryPackets');
    expect((await cli('types TelemetryPackets', { columns: 120 })).stdout).toMatch(/apid +USHORT/i);
    expect(await cli('types TelemetryPacket')).toMatchObject({
      code: EXIT.unknown,
      stderr: expect.stringContaining('did you mean TelemetryPackets?'),
    });
    expect((await cli('services')).json[0]).toMatchObject({ services: [expect.objectContaining({ binding: 'http' })] });
    expect((await cli('mappings')).json).toContainEqual({ name: 'archive' });
    expect(await cli('mappings nowhere')).toMatchObject({ code: EXIT.unknown });
  });
});

describe('errors', () => {
  it.each([
    ['products list --type Nonsense', EXIT.invalid, 'there is no product type "Nonsense"'],
    ['products list --attr nonsense=1', EXIT.invalid, 'no product type here has the attribute "nonsense"'],
    ['products list --attr size=large', EXIT.invalid, '--attr size: expected Long, not "large"'],
    ['products show local:none', EXIT.unknown, 'there is no product none in domain local'],
    ['products show local/1/none', EXIT.unknown, 'none'],
    ['orders show 999', EXIT.unknown, '999'],
    ['orders delivery 999', EXIT.unknown, '999'],
    ['orders submit --to ftp://example.int/x', EXIT.failed, 'ftp'],
    ['orders submit --to file:///etc', EXIT.failed, '/etc is outside the folders that may be written'],
    ['filters get none', EXIT.unknown, 'none'],
  ])('%s', async (line, code, message) => {
    const run = await cli(line);
    expect(run.stderr).toContain(message);
    expect(run.stderr.trim().split('\n')).toHaveLength(1);
    expect(run).toMatchObject({ code, stdout: '' });
  });

  it('no key and a wrong key end with exit code 5', async () => {
    expect((await cli('types', { env: { MPD_GATEWAY_KEY: '' } })).code).toBe(EXIT.denied);
    const wrong = await cli('types', { env: { MPD_GATEWAY_KEY: 'mpd_wrong' } });
    expect(wrong.code).toBe(EXIT.denied);
    expect(wrong.stderr).not.toContain('mpd_wrong');
  });

  it('what a policy hides is not there', async () => {
    const key = await gateway.key('restricted');
    expect((await cli('products list', { env: { MPD_GATEWAY_KEY: key } })).json).toEqual([]);
    expect((await cli(['products', 'show', 'local:sub/empty'], { env: { MPD_GATEWAY_KEY: key } })).code).toBe(
      EXIT.unknown,
    );
  });
});

describe('products get', () => {
  it('writes the file whole, tells its digest, and does it again', async () => {
    const first = await cli('products get local:sub/big.bin -o got/');
    expect(first.json).toEqual([
      expect.objectContaining({
        file: join(folder, 'got', 'sub%2Fbig.bin').replace('sub%2F', ''),
        bytes: big.length,
        sha256: sha(big),
      }),
    ]);
    expect(readFileSync(String(first.json[0]?.file))).toEqual(big);
    expect((await cli('products get local:sub/big.bin -o got/')).code).toBe(EXIT.ok);
    expect(readdirSync(join(folder, 'got'))).toHaveLength(1);
  });

  it('goes on where an earlier try stopped', async () => {
    const revision = String((await cli('products show local:sub/big.bin')).json[0]?.revision);
    mkdirSync(join(folder, 'part'));
    const part = join(folder, 'part', `.big.bin.${sha(Buffer.from(revision)).slice(0, 12)}.part`);
    writeFileSync(part, big.subarray(0, 200_000));
    const run = await cli('products get local:sub/big.bin -o part/big.bin', { columns: 120 });
    expect(run.code).toBe(EXIT.ok);
    expect(run.stderr).toMatch(/100% {2}293\.0 KiB of 293\.0 KiB/);
    expect(readFileSync(join(folder, 'part', 'big.bin'))).toEqual(big);
    expect(existsSync(part)).toBe(false);
  });

  it('throws a bad beginning away and says so', async () => {
    const revision = String((await cli('products show local:sub/big.bin')).json[0]?.revision);
    mkdirSync(join(folder, 'bad'));
    const part = join(folder, 'bad', `.big.bin.${sha(Buffer.from(revision)).slice(0, 12)}.part`);
    writeFileSync(part, Buffer.alloc(200_000, 9));
    const run = await cli('products get local:sub/big.bin -o bad/big.bin');
    expect(run).toMatchObject({ code: EXIT.integrity, stderr: expect.stringContaining('SHA-256') });
    expect(readdirSync(join(folder, 'bad'))).toEqual([]);
    expect((await cli('products get local:sub/big.bin -o bad/big.bin')).code).toBe(EXIT.ok);
  });

  it('leaves another file of that name alone unless forced', async () => {
    writeFileSync(join(folder, 'mine.txt'), 'mine');
    expect(await cli(['products', 'get', 'local:a b.txt', '-o', 'mine.txt'])).toMatchObject({
      code: EXIT.failed,
      stderr: expect.stringContaining('--force'),
    });
    expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('mine');
    expect((await cli(['products', 'get', 'local:a b.txt', '-o', 'mine.txt', '--force'])).code).toBe(EXIT.ok);
    expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('first');
  });

  it('takes what a list wrote, and writes one to standard output', async () => {
    const list = await cli('products list');
    const got = await cli('products get - -o all/', { stdin: list.stdout });
    expect(got.json.map(({ bytes }) => bytes).sort()).toEqual([0, 300_000, 5]);
    expect((await cli(['products', 'get', 'local:a b.txt', '-o', '-'])).stdout).toBe('first');
  });
});

describe('orders', () => {
  it('from submit to proof: backfilled, delivered, nothing missing, replayed, cancelled', async () => {
    const to = pathToFileURL(join(gateway.delivered)).href;
    const submitted = await cli(`orders submit --domain local.* --to ${to} --backfill all --comments round`);
    expect(submitted).toMatchObject({ code: EXIT.ok, json: [{ orderID: expect.any(Number) }] });
    const id = String(submitted.json[0]?.orderID);
    await until(
      'three deliveries',
      async () => (await cli(`orders deliveries ${id} --state notified --state verified`)).json.length === 3,
    );
    const proof = await cli(`orders missing ${id} --check`);
    expect(proof).toMatchObject({ code: EXIT.ok, json: [{ held: 3, delivered: 3, missing: [] }] });
    expect((await cli(`orders missing ${id}`, { columns: 100 })).stdout).toContain(
      'held 3, delivered 3, under way 0, missing 0',
    );

    const rows = (await cli(`orders deliveries ${id}`)).json;
    const row = rows.find(({ ref }) => (ref as { key: string }).key === 'sub/big.bin');
    expect(row).toMatchObject({ checksum: sha(big), targetCheck: 'verified', attempts: 1 });
    const detail = await cli(`orders delivery ${row?.id}`, { columns: 200 });
    expect(detail.stdout).toContain(sha(big));
    expect(detail.stdout).toMatch(/STARTED +ENDED/);

    expect(
      (await cli(`orders list --state active`)).json.map(({ order }) => (order as { orderID: number }).orderID),
    ).toContain(Number(id));
    expect((await cli(`orders show ${id}`, { columns: 200 })).stdout).toMatch(
      /comments +round[\s\S]*WHAT[\s\S]*submit/,
    );
    expect((await cli(`orders pause ${id} --policy skip`)).json[0]).toMatchObject({
      state: 'paused',
      pausePolicy: 'skip',
    });
    expect((await cli(`orders resume ${id}`)).json[0]).toMatchObject({ state: 'active' });
    expect((await cli(`orders replay ${id} --all`)).code).toBe(EXIT.ok);
    await until('second round', async () =>
      (await cli(`orders deliveries ${id} --state notified --state verified`)).json.every(({ round }) => round === 1),
    );
    expect((await cli(`orders redrive ${id} --dead`)).json).toEqual([{ redriven: 0 }]);
    expect((await cli(`orders cancel ${id}`)).json).toEqual([{ orderID: Number(id), state: 'cancelled' }]);
    expect((await cli(`orders show ${id}`)).json[0]).toMatchObject({ state: 'cancelled' });
  });

  it('missing --check ends with exit code 10 while something is missing', async () => {
    const to = pathToFileURL(gateway.delivered).href;
    const id = (await cli(`orders submit --domain local.* --to ${to}`)).json[0]?.orderID;
    expect(await cli(`orders missing ${id} --check`)).toMatchObject({
      code: EXIT.findings,
      json: [{ held: 3, delivered: 0 }],
    });
    await cli(`orders cancel ${id}`);
  });

  it('pull hands out, saves and acknowledges', async () => {
    const id = (await cli('orders submit --domain local.* --method complete --backfill all')).json[0]?.orderID;
    await until('three available', async () => (await cli(`orders pull ${id}`)).json.length === 3);
    const pulled = await cli(`orders pull ${id} --save pulled --ack --limit 2`, { columns: 150 });
    expect(pulled.stdout).toMatch(/^POSITION/);
    expect(readdirSync(join(folder, 'pulled'))).toHaveLength(2);
    expect((await cli(`orders pull ${id}`)).json).toHaveLength(1);
    await cli(`orders cancel ${id}`);
  });

  it('deliver sends files now and reports each', async () => {
    const to = pathToFileURL(join(gateway.delivered, 'now')).href;
    mkdirSync(join(gateway.delivered, 'now'));
    const run = await cli(['products', 'deliver', 'local:a b.txt', 'local:sub/empty', '--to', to]);
    expect(run).toMatchObject({ code: EXIT.ok, json: [{ success: true }, { success: true }] });
    expect(readdirSync(join(gateway.delivered, 'now'))).toHaveLength(2);
  });
});

describe('filters and events', () => {
  it('a filter is kept, used, shown and removed', async () => {
    expect((await cli('filters put small --attr size=..10 --description tiny --shared')).code).toBe(EXIT.ok);
    expect((await cli('filters list')).json).toMatchObject([{ owner: 'operator', name: 'small', shared: true }]);
    const named = await cli('products list --filter operator/small');
    expect(named.json).toHaveLength(2);
    expect((await cli('filters get small', { columns: 200 })).stdout).toContain('tiny');
    expect((await cli('filters delete small')).code).toBe(EXIT.ok);
    expect((await cli('filters list')).json).toEqual([]);
  });

  it('events are told as they happen', async () => {
    const waiting = cli('events --type product --limit 1');
    await until('an event', async () => {
      writeFileSync(join(gateway.products, `new-${Date.now()}.txt`), String(Date.now()));
      return Promise.race([
        waiting.then(() => true),
        new Promise<boolean>((resolve) => setTimeout(resolve, 1500, false)),
      ]);
    });
    expect(await waiting).toMatchObject({ code: EXIT.ok, json: [{ type: 'product', payload: { change: 'new' } }] });
  });
});
