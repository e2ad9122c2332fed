import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestGateway, testGateway } from '../../test/gateway.js';
import type { Context } from './context.js';
import { EXIT } from './exit-codes.js';
import { buildProgram } from './program.js';
import { type CliOptions, type CliRun, runCli } from './testing.js';

/** The same command lines over HTTP, maltcp and malhttp: what the wire carries is the same bytes. */

let gateway: TestGateway;
let folder: string;
let key: string;
let urls: Readonly<Record<'http' | 'maltcp' | 'malhttp', string>>;
const MAL = ['maltcp', 'malhttp'] as const;
const ALL = ['http', ...MAL] as const;
type Transport = (typeof ALL)[number];

const cli = (over: Transport, line: string | readonly string[], options: CliOptions = {}): Promise<CliRun> =>
  runCli([...(typeof line === 'string' ? line.split(' ') : line), '--url', urls[over]], {
    cwd: folder,
    ...options,
    env: { MPD_GATEWAY_KEY: key },
  });
/** Runs it over all three; fails with what went wrong. */
async function onAll(line: string | readonly string[], options: CliOptions = {}): Promise<readonly CliRun[]> {
  const runs: CliRun[] = [];
  for (const over of ALL) {
    const run = await cli(over, line, options);
    expect(run.stderr, over).toBe('');
    expect(run.code, over).toBe(EXIT.ok);
    runs.push(run);
  }
  return runs;
}
async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 40_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await done()) return;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

beforeAll(async () => {
  gateway = await testGateway({
    config: {
      gateway: { publicUrl: 'http://mpd.example.int' },
      listen: { http: { port: 0 }, maltcp: { port: 0 }, malhttp: { port: 0 } },
      access: {
        principals: [{ id: 'operator', role: 'operator' }, { id: 'alice' }],
        mal: [{ cidr: '127.0.0.1/32', principal: 'alice' }],
      },
    },
  });
  folder = mkdtempSync(join(tmpdir(), 'mpd-cli-mal-'));
  key = await gateway.key('alice');
  const { http, maltcp, malhttp } = gateway.urls;
  urls = { http: http!, maltcp: `${maltcp}/`, malhttp: `${malhttp}/?encoding=split` };
  mkdirSync(join(gateway.products, 'sub'));
  for (const [name, content] of [
    ['a b.txt', 'first'],
    ['sub/é世.bin', Buffer.alloc(300_000, 7)],
    ['sub/empty', ''],
  ] as const) {
    writeFileSync(join(gateway.products, name), content);
    // Whole milliseconds: finer times are rounded on the wire.
    utimesSync(join(gateway.products, name), 1_700_000_000, 1_700_000_000.125);
  }
  await until('three products', async () => (await cli('http', 'products list')).json.length === 3);
});
afterAll(async () => {
  await gateway?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What MAL does not carry: see docs/mal.md. */
const WITHOUT: Readonly<Record<string, readonly string[]>> = {
  products: ['revision', 'updatedAt', 'path', 'fileName', 'links'],
};
/** Lines of JSON with the fields that the wire has. */
const carried = (run: CliRun, without: readonly string[]): string =>
  run.json
    .map((item) => JSON.stringify(Object.fromEntries(Object.entries(item).filter(([name]) => !without.includes(name)))))
    .join('\n');
const same = (texts: readonly string[]): void => {
  expect(texts[0]).not.toBe('');
  for (const text of texts) expect(text).toBe(texts[0]);
};

describe('the same data over HTTP, maltcp and malhttp', () => {
  it.each([
    'products list --json',
    'products list --type File --domain local --limit 2 --json',
    'products list --attr size=1..100 --json',
    'products list --created 2020-01-01T00:00:00Z/.. --content ../2030-01-01T00:00:00Z --json',
  ])('%s', async (line) => {
    const runs = await onAll(line);
    expect(runs[0]!.json.length).toBeGreaterThan(0);
    same(runs.map((run) => carried(run, WITHOUT.products!)));
  });

  it('products list and show as a table', async () => {
    const texts = (await onAll('products list', { columns: 160 })).map(({ stdout }) => stdout);
    expect(texts[0]).toContain('first'.length.toString());
    same(texts);
    same((await onAll(['products', 'show', 'local:a b.txt', '--json'])).map((run) => carried(run, WITHOUT.products!)));
  });

  it('products get: the same file, the same line', async () => {
    const [listed] = (await cli('http', ['products', 'list', '--type', 'File', '--attr', 'size=300000'])).json;
    const { productRef } = listed!.metadata as { productRef: { key: string; version: number } };
    expect(productRef.key).toBe('sub/é世.bin');
    for (const product of ['local:sub/é世.bin', `local/${productRef.version}/sub/${encodeURIComponent('é世.bin')}`]) {
      const lines: string[] = [];
      for (const over of ALL) {
        const run = await cli(over, ['products', 'get', product, '-o', `${over}.bin`, '--force', '--json']);
        expect([run.code, run.stderr]).toEqual([EXIT.ok, expect.not.stringContaining('mpd-gateway:')]);
        expect(readFileSync(join(folder, `${over}.bin`)).equals(Buffer.alloc(300_000, 7))).toBe(true);
        lines.push(run.stdout.replaceAll(`${over}.bin`, 'FILE'));
      }
      same(lines);
    }
    const outputs = await onAll(['products', 'get', 'local:a b.txt', '-o', '-']);
    expect(outputs.map(({ stdout }) => stdout)).toEqual(['first', 'first', 'first']);
  });

  it('products get takes what a list over any of them wrote', async () => {
    for (const from of ALL) {
      const list = await cli(from, 'products list --json');
      for (const over of ALL) {
        const run = await cli(over, `products get - -o from-${from}-${over}/ --json`, { stdin: list.stdout });
        expect(run.stderr).toBe('');
        expect(run.json.map(({ bytes }) => bytes).sort()).toEqual([0, 300_000, 5]);
      }
    }
  });

  it('products deliver: the same lines but for the id of the order', async () => {
    const lines: string[] = [];
    for (const over of ALL) {
      mkdirSync(join(gateway.delivered, over));
      const to = pathToFileURL(join(gateway.delivered, over)).href;
      const run = await cli(over, ['products', 'deliver', 'local:a b.txt', 'local:sub/empty', '--to', to, '--json']);
      expect([run.code, run.stderr]).toEqual([EXIT.ok, '']);
      expect(readFileSync(join(gateway.delivered, over, 'a b.txt'), 'utf8')).toBe('first');
      lines.push(carried(run, ['orderID']));
    }
    same(lines);
  });

  it('orders: what one submits all list; each cancels', async () => {
    const ids: number[] = [];
    for (const over of ALL) {
      const options = ['--type', 'File', '--domain', 'local.*', '--user', 'alice', '--comments', 'note', '--json'];
      const run = await cli(over, ['orders', 'submit', '--method', 'complete', ...options]);
      expect([run.code, run.stderr]).toEqual([EXIT.ok, '']);
      expect(run.json).toEqual([{ orderID: expect.any(Number), warning: null }]);
      ids.push(run.json[0]!.orderID as number);
    }
    const runs = await onAll('orders list --user alice --json');
    const only = (run: CliRun): string => run.json.map(({ order }) => JSON.stringify({ order })).join('\n');
    expect(runs.slice(1).map(({ stdout }) => stdout.trimEnd())).toEqual(runs.slice(1).map(only));
    same(runs.map(only));
    expect(runs[0]!.json).toHaveLength(3);
    for (const [i, over] of ALL.entries()) {
      const run = await cli(over, `orders cancel ${ids[i]} --json`);
      expect([run.code, run.json]).toEqual([EXIT.ok, [{ orderID: ids[i], state: 'cancelled' }]]);
      expect(await cli(over, `orders list --user alice --json`)).toMatchObject({ code: EXIT.ok });
    }
    expect((await cli('maltcp', 'orders list')).json).toEqual([]);
  });

  it.each(MAL)('events over %s: what orders bring, in the words of the event log', async (over) => {
    const to = pathToFileURL(join(gateway.delivered, 'events')).href;
    mkdirSync(join(gateway.delivered, 'events'), { recursive: true });
    const ids = [];
    for (const how of [
      ['--to', to],
      ['--method', 'complete'],
    ]) {
      const run = await cli('http', ['orders', 'submit', '--domain', 'local.*', ...how]);
      ids.push(run.json[0]!.orderID);
    }
    const stop = new AbortController();
    const waiting = cli(over, 'events --limit 2 --json', { signal: stop.signal });
    const log = cli('http', 'events --type delivered --type available --limit 2 --json', { signal: stop.signal });
    let n = 0;
    await until('two events over each', async () => {
      writeFileSync(join(gateway.products, `event-${over}-${n++}.txt`), String(n));
      const both = Promise.all([waiting, log]).then(() => true);
      return Promise.race([both, new Promise<boolean>((resolve) => setTimeout(resolve, 1000, false))]);
    });
    const { code, json } = await waiting;
    expect(code).toBe(EXIT.ok);
    const told = [...json].sort((a, b) => String(b.type).localeCompare(String(a.type)));
    for (const event of told) {
      expect(event).toMatchObject({ owner: 'alice', metadata: { productRef: { domain: ['local'] } } });
      expect(ids).toContain(event.orderID);
      const names = Object.keys((await log).json[0]!);
      expect(names).toEqual(expect.arrayContaining(Object.keys(event)));
    }
    for (const id of ids) await cli('http', `orders cancel ${id}`);
  });
});

describe('what there is over HTTP only', () => {
  const leaves = (command: Command): Command[] =>
    command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
  const nameOf = (command: Command): string =>
    command.parent === null ? '' : `${nameOf(command.parent)} ${command.name()}`.trim();
  const withUrl = leaves(buildProgram({} as Context, () => undefined)).filter(({ options }) =>
    options.some(({ long }) => long === '--url'),
  );
  const onTheWire = [
    'products list',
    'products show',
    'products get',
    'products deliver',
    'orders submit',
    'orders list',
    'orders cancel',
    'events',
  ];
  const others = withUrl.map(nameOf).filter((name) => !onTheWire.includes(name));

  it('is all but the operations of the standard', () => {
    expect(withUrl.map(nameOf)).toEqual(expect.arrayContaining(onTheWire));
    expect(others.length).toBeGreaterThan(10);
  });

  it.each(others)('%s says so, why, and what to use', async (name) => {
    const needed = /orders (?!list|upstream)/.test(name) ? ['7'] : /filters (get|put|delete)/.test(name) ? ['x'] : [];
    const run = await runCli([...name.split(' '), ...needed, '--url', 'maltcp://127.0.0.1:1/']);
    expect(run.code).toBe(EXIT.unsupported);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(new RegExp(`^mpd-gateway: ${name} exists over HTTP only: .{20,}Use --url http`));
    expect(run.stderr).not.toContain('it is no operation of the standard');
  });

  it.each([
    ['products list --path sub/', '--path exists over HTTP only: MPD has no folders'],
    ['products list --filter operator/x', '--filter exists over HTTP only'],
    ['products list --tree {any:[]}', '--tree exists over HTTP only'],
    ['products list --type A --type B', 'more than one --type'],
    ['orders submit --user a --backfill all', '--backfill exists over HTTP only'],
    ['orders submit --user a --no-overwrite', '--no-overwrite exists over HTTP only'],
    ['orders submit --user a --retain-last 5', '--retain-last exists over HTTP only'],
    ['orders submit --user a --form csv', '--form exists over HTTP only'],
    ['products get a:b --form csv', '--form exists over HTTP only'],
    ['orders submit --user a --while-paused skip', '--while-paused exists over HTTP only'],
    ['orders list --state active', '--state exists over HTTP only'],
    ['events --from 12', '--from exists over HTTP only'],
    ['events --type backend', '--type backend: MPD tells of delivered, failed, available only'],
  ])('%s', async (line, message) => {
    const run = await runCli([...line.split(' '), '--url', 'maltcp://127.0.0.1:1/']);
    expect(run.stderr).toContain(message);
    expect(run.stderr).toContain('Use --url http://… of a gateway');
    expect(run.code).toBe(EXIT.unsupported);
  });

  it('a wrong address, a missing owner and a key are wrong usage; nobody there is unreachable', async () => {
    const at = (url: string, line: string) => runCli([...line.split(' '), '--url', url]);
    expect((await at('maltcp://host/', 'products list')).stderr).toContain('expected maltcp://host:port/');
    expect(await at('maltcp://127.0.0.1:1/', 'orders submit')).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringContaining('--user: an order over MAL names its owner'),
    });
    expect((await at('maltcp://127.0.0.1:1/', 'products list --key-file k')).code).toBe(EXIT.usage);
    for (const scheme of MAL)
      expect((await at(`${scheme}://127.0.0.1:1/`, 'products list')).code).toBe(EXIT.unreachable);
  });
});
