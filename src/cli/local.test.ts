import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachEmbedded } from '../store/index.js';
import { EXIT } from './exit-codes.js';
import { type CliRun, runCli } from './testing.js';

const TSX = import.meta.resolve('tsx');
const BIN = join(import.meta.dirname, 'bin.ts');
let folder: string;
const cli = (line: string, env: Record<string, string> = {}): Promise<CliRun> =>
  runCli(line.split(' '), { cwd: folder, env });

/** The real program in a process of its own. */
function start(line: string): {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;
  ended: Promise<number | null>;
  stderr(): string;
} {
  const child = spawn(process.execPath, ['--import', TSX, BIN, ...line.split(' ')], {
    cwd: folder,
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      TSX_TSCONFIG_PATH: join(import.meta.dirname, '..', '..', 'tsconfig.json'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr!.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator](),
    ended,
    stderr: () => errors,
  };
}

async function nextJson({ lines, stderr }: ReturnType<typeof start>): Promise<Record<string, unknown>> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error(`it ended: ${stderr()}`);
  return JSON.parse(value) as Record<string, unknown>;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mpd-local-'));
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('config', () => {
  it('check says good with the file, or every problem with its line and exit code 2', async () => {
    writeFileSync(
      join(folder, 'good.yaml'),
      'gateway: { name: here }\nbackends: [ { id: a, kind: archive, domain: [a], path: p } ]',
    );
    expect(await cli('config check --config good.yaml')).toMatchObject({
      code: EXIT.ok,
      json: [{ file: join(folder, 'good.yaml'), backends: ['a'], warnings: 0 }],
    });
    writeFileSync(join(folder, 'bad.yaml'), 'gatway: {}\nlisten:\n  http: { port: many }\n');
    expect(await cli('config check --config bad.yaml')).toMatchObject({
      code: EXIT.usage,
      stdout: '',
      stderr:
        'mpd-gateway: bad.yaml:1: gatway: is not known; did you mean "gateway"?\nmpd-gateway: bad.yaml:3: listen.http.port: expected a port number, not "many"\n',
    });
  });

  it('check warns of secrets in the file; show hides them', async () => {
    writeFileSync(join(folder, 'secret.yaml'), 'backends: [ { id: a, kind: edds, domain: [a], password: hunter2 } ]');
    expect((await cli('config check --config secret.yaml')).stderr).toContain(
      'backends[0].password: is a secret written into the file',
    );
    const { stdout } = await cli('config show --config secret.yaml');
    expect(stdout).toContain('password: (hidden)');
    expect(stdout).not.toContain('hunter2');
  });

  it('schema is JSON', async () => {
    expect(JSON.parse((await cli('config schema')).stdout)).toHaveProperty('properties.backends');
  });

  it('the example that is brought along is good', async () => {
    const example = join(import.meta.dirname, '..', '..', 'gateway.example.yaml');
    const env = { LINK_SECRET: 'x'.repeat(32), DATABASE_URL: 'postgres://mpd@db/mpd' };
    expect(await cli(`config check --config ${example}`, env)).toMatchObject({ code: EXIT.ok, stderr: '' });
  });
});

describe('a gateway with an embedded database', () => {
  let gateway: ReturnType<typeof start>;
  let url: string;
  beforeAll(async () => {
    writeFileSync(join(folder, 'gateway.yaml'), 'listen: { http: { port: 0 } }\nlog: { level: warn }');
    gateway = start('serve --json');
    const ready = await nextJson(gateway);
    expect(ready).toMatchObject({ event: 'ready' });
    url = (ready.urls as { http: string }).http;
  });
  afterAll(async () => {
    gateway?.child.kill('SIGKILL');
    await gateway?.ended;
  });

  it('gives out keys that work at once and not after they are revoked', async () => {
    const [made] = (await cli('keys create operator --label test --expires 1d')).json;
    const env = { MPD_GATEWAY_URL: url, MPD_GATEWAY_KEY: String(made?.key) };
    expect((await cli('types', env)).code).toBe(EXIT.ok);
    const listed = await cli('keys list');
    expect(listed.json).toMatchObject([{ id: made?.id, principal: 'operator', label: 'test', revokedAt: null }]);
    expect(listed.stdout).not.toContain(String(made?.key));
    expect((await cli(`keys revoke ${made?.id}`)).code).toBe(EXIT.ok);
    expect((await cli('types', env)).code).toBe(EXIT.denied);
    expect((await cli('keys create nobody')).stderr).toMatch(/there is no principal nobody/);
  });

  it('is looked at by doctor: what is wrong is named with what to do', async () => {
    const found = (await cli('doctor')).json as { part: string; state: string; found: string; todo: string | null }[];
    const part = (name: string) => found.find((finding) => finding.part === name);
    expect(part('database')).toMatchObject({ state: 'ok', found: expect.stringContaining('beside a running gateway') });
    expect(part('durability')?.state).toBe('ok');
    expect(part('clock')?.state).toBe('ok');
    expect(part('target file')?.state).toBe('bad');
    expect(part('target file')?.todo).toMatch(/^make it: mkdir -p/);
    expect(found.some(({ part }) => part.startsWith('backend local'))).toBe(true);
    expect((await cli('doctor')).code).toBe(EXIT.findings);
    expect((await cli('doctor --backend other')).json).toMatchObject([
      { part: 'backend other', state: 'bad', todo: 'there are: local' },
    ]);
  });

  it('has its database to itself, and says who else wanted it', async () => {
    const second = start('serve');
    expect(await second.ended).toBe(EXIT.internal);
    expect(second.stderr()).toContain(
      `${join(folder, 'mpd-data')} is in use by another gateway (pid ${gateway.child.pid})`,
    );
  });

  it('can be copied while it runs, and the copy read into a new one', async () => {
    expect((await cli('store status')).json[0]).toMatchObject({
      reach: 'beside a running gateway',
      tables: expect.arrayContaining([expect.objectContaining({ name: 'journal' })]),
    });
    expect((await cli('store export copy.ndjson')).stderr).toMatch(/rows? of \d+ tables written/);
    expect((await cli('store import copy.ndjson')).stderr).toContain('a gateway runs on');
    writeFileSync(join(folder, 'other.yaml'), 'store: { dir: other-data }');
    const imported = await cli('store import copy.ndjson --config other.yaml');
    expect(imported).toMatchObject({ code: EXIT.ok, json: [{ rows: expect.any(Number) }] });
    expect((await cli('keys list --config other.yaml')).json).toMatchObject([{ principal: 'operator', label: 'test' }]);
    expect((await cli('store import copy.ndjson --config other.yaml')).code).not.toBe(EXIT.ok);
  });

  it('ends with the signal, and its database with it', async () => {
    expect(await attachEmbedded(join(folder, 'mpd-data'))).toMatchObject({ gateway: gateway.child.pid });
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(EXIT.ok);
    expect(await attachEmbedded(join(folder, 'mpd-data'))).toBeUndefined();
    expect(gateway.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  });

  it('names the port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      writeFileSync(join(folder, 'taken.yaml'), `listen: { http: { port: ${port} } }\nlog: { level: warn }`);
      const taken = start('serve --config taken.yaml');
      expect(await taken.ended).not.toBe(EXIT.ok);
      expect(taken.stderr()).toContain(`${port}`);
      const doctor = (await cli('doctor --config taken.yaml')).json;
      expect(doctor).toContainEqual({
        part: 'listen.http',
        state: 'bad',
        found: `127.0.0.1:${port} is taken by another program`,
        todo: 'stop it, or set listen.http.port',
      });
    } finally {
      other.close();
    }
  });
});

describe('simulate edds', () => {
  it('tells where it is and serves until it is stopped', async () => {
    const simulator = start('simulate edds --json');
    const ready = await nextJson(simulator);
    expect(ready).toMatchObject({
      event: 'ready',
      simulator: 'edds',
      wsdlUrl: expect.stringMatching(/^http:.*\?wsdl$/),
      controlUrl: expect.stringMatching(/^http:.*\/_sim$/),
      users: expect.arrayContaining([expect.objectContaining({ user: 'ops', domains: ['SOL', 'BC'] })]),
      domains: ['SOL', 'BC'],
      span: { begin: expect.stringMatching(/^\d{4}-.*Z$/), end: expect.stringMatching(/^\d{4}-.*Z$/) },
    });
    const state = (await (await fetch(`${String(ready.controlUrl)}/state`)).json()) as { jobs: unknown[] };
    expect(state.jobs).toEqual([]);
    const wsdl = await fetch(String(ready.wsdlUrl));
    expect(await wsdl.text()).toContain('definitions');
    simulator.child.kill('SIGINT');
    expect(await simulator.ended).toBe(EXIT.ok);
  });
});

describe('demo', () => {
  const all = async (demo: ReturnType<typeof start>): Promise<Record<string, unknown>[]> => {
    const events: Record<string, unknown>[] = [];
    for await (const line of { [Symbol.asyncIterator]: () => demo.lines }) events.push(JSON.parse(line));
    return events;
  };

  it('--once --json tells ready, then of each order matched, delivered, verified; leaves the files, ends with exit code 0', async () => {
    const demo = start('demo --once --json --data demo');
    const [ready, ...events] = await all(demo);
    expect([await demo.ended, demo.stderr()]).toEqual([EXIT.ok, '']);
    expect(ready).toMatchObject({
      event: 'ready',
      urls: {
        api: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/api\/v1$/),
        openapi: expect.any(String),
        maltcp: expect.any(String),
        edds: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/.*\?wsdl$/),
      },
      edds: { domains: ['SOL'], users: expect.any(Array), span: expect.any(Object) },
      key: expect.stringMatching(/^mpd_/),
      order: 1,
      orders: [
        { order: 1, backend: 'archive', over: 'http' },
        { order: 2, backend: 'edds', over: 'http' },
        { order: 3, backend: 'edds', over: 'maltcp' },
      ],
    });
    for (const { order, backend, delivered } of ready!.orders as {
      order: number;
      backend: string;
      delivered: string;
    }[]) {
      const told = events.filter((event) => event.order === order);
      expect(told.slice(0, 3).map(({ event }) => event)).toEqual(['matched', 'delivered', 'verified']);
      const { path, sha256, packets } = told[2] as { path: string; sha256: string; packets?: number };
      expect(dirname(path)).toBe(delivered);
      expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(sha256);
      if (backend === 'edds') expect(packets).toBeGreaterThan(0);
    }
    expect(await attachEmbedded(join(folder, 'demo', 'database'))).toBeUndefined();
  });

  it('goes on with its orders in the same folder', async () => {
    const demo = start('demo --once --json --data demo');
    expect(await nextJson(demo)).toMatchObject({ event: 'ready', orders: [{ order: 1 }, { order: 2 }, { order: 3 }] });
    expect(await demo.ended).toBe(EXIT.ok);
  });

  it('takes a stream order from the command line while it runs; Ctrl-C ends it with exit code 0 and nothing left', async () => {
    const demo = start('demo --json');
    const { urls, key, root, delivered } = (await nextJson(demo)) as {
      urls: { api: string; edds: string };
      key: string;
      root: string;
      delivered: string;
    };
    const env = { MPD_GATEWAY_URL: urls.api.replace('/api/v1', ''), MPD_GATEWAY_KEY: key };
    const target = join(delivered, 'mine');
    mkdirSync(target);
    const line = `orders submit --domain esa.solo --type PktTmRaw --attr apid=1436 --to file://${target}`;
    expect(await cli(line, env)).toMatchObject({ code: EXIT.ok, stderr: '' });
    const parts = () => readdirSync(target).filter((name) => /StreamRequest\.PktTmStream\..*\.xml$/.test(name));
    for (let turn = 0; turn < 300 && parts().length < 2; turn++) await nextJson(demo);
    expect(parts().length).toBeGreaterThanOrEqual(2);
    demo.child.kill('SIGINT');
    expect([await demo.ended, demo.stderr()]).toEqual([EXIT.ok, '']);
    expect(existsSync(root)).toBe(false);
    await expect(fetch(urls.edds)).rejects.toThrow();
  });

  it('says why when nothing comes, with another exit code', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    const demo = start(`demo --once --dir ${empty} --timeout 2s`);
    expect(await demo.ended).toBe(EXIT.failed);
    expect(demo.stderr()).toContain(`no product was found in ${empty}`);
  });
});
