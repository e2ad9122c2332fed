import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openStore, withRetry } from '../connect.js';
import { silentLog } from '../log.js';
import { attachEmbedded } from './attach.js';
import { socketFolder } from './layout.js';
import { isAlive, isServerOf, readPostmaster } from './postmaster.js';
import { type EmbeddedServer, startEmbedded } from './server.js';

const PROGRAM = fileURLToPath(new URL('../../../test/processes/embedded-server.ts', import.meta.url));
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'mpd-embedded-'));
  chmodSync(dir, 0o755);
  cleanUp.push(() => {
    const left = readPostmaster(join(dir, 'data'));
    if (left && isServerOf(left.pid, join(dir, 'data'))) process.kill(left.pid, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

async function start(dir: string): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dir, log: silentLog });
  cleanUp.push(() => server.stop());
  return server;
}

interface Gateway {
  readonly process: ChildProcess;
  readonly said: { readonly pid: number; readonly url: string; readonly error?: string };
  kill(): Promise<void>;
}

/** Another process that runs the server of `dir`. */
async function gateway(dir: string, kind = 'lasting'): Promise<Gateway> {
  const child = fork(PROGRAM, [dir, kind], { execArgv: ['--import', 'tsx'], detached: true });
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  cleanUp.push(kill);
  const [said] = (await once(child, 'message')) as [Gateway['said']];
  return { process: child, said, kill };
}

async function query<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

describe('a fresh folder', () => {
  it('gets a durable UTF-8 server with byte order, a password, and no network port', async () => {
    const server = await start(folder());
    const [row] = await query<Record<string, string>>(
      server.url,
      `select current_setting('fsync') fsync, current_setting('server_encoding') encoding, current_setting('listen_addresses') net,
        current_setting('data_checksums') checksums, datlocprovider provider, datlocale locale, upper('é') upper
        from pg_database where datname = current_database()`,
    );
    expect(row).toEqual({
      fsync: 'on',
      encoding: 'UTF8',
      net: '',
      checksums: 'on',
      provider: 'b',
      locale: 'C.UTF-8',
      upper: 'É',
    });
    const wrong = server.url.replace(server.connection.password, 'wrong');
    await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' });
    await server.stop();
    expect(existsSync(join(server.data, 'postmaster.pid'))).toBe(false);
  });

  it('is stopped cleanly and keeps its rows', async () => {
    const dir = folder();
    const first = await start(dir);
    await query(first.url, 'create table kept as select 7 as n');
    const pid = first.pid()!;
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    const second = await start(dir);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]);
    expect(readFileSync(join(dir, 'server.log'), 'utf8')).not.toContain('not properly shut down');
  });

  it('may have a path longer than a socket address, and spaces in it', async () => {
    const dir = join(folder(), 'a folder with spaces', 'and-a-long-name-'.repeat(8));
    for (const name of ['run', 'lock'])
      cleanUp.push(() => rmSync(socketFolder(dir, name, 'x'.repeat(30)), { recursive: true, force: true }));
    const server = await start(dir);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('does not mind what an interrupted first start left', async () => {
    const dir = folder();
    mkdirSync(join(dir, 'new-1', 'data'), { recursive: true });
    const server = await start(dir);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(existsSync(join(dir, 'new-1'))).toBe(false);
  });

  it('of another major version is refused with the way out', async () => {
    const dir = folder();
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'data', 'PG_VERSION'), '16\n');
    await expect(startEmbedded({ dir, log: silentLog })).rejects.toThrow(
      /PostgreSQL 16, this gateway brings 18.*store export.*store import/,
    );
  });
});

describe('kill -9 of the server', () => {
  it('loses no acknowledged row, and the gateway goes on with the same store', async () => {
    const store = await openStore<{ row: { id: number } }>({ dir: folder() });
    cleanUp.push(() => store.close());
    await sql`create table row (id integer primary key)`.execute(store.db);
    const postmaster = async () => {
      const { rows } = await sql<{ dir: string }>`select current_setting('data_directory') as dir`.execute(store.db);
      return Number(readFileSync(join(rows[0]!.dir, 'postmaster.pid'), 'utf8').split('\n')[0]);
    };
    const acknowledged: number[] = [];
    let next = 0;
    const writing = new AbortController();
    const writer = async () => {
      while (!writing.signal.aborted) {
        const id = next++;
        await withRetry(
          store.db,
          (trx) =>
            trx
              .insertInto('row')
              .values({ id })
              .onConflict((conflict) => conflict.doNothing())
              .execute(),
          { attempts: 50 },
        );
        acknowledged.push(id);
      }
    };
    const writers = Array.from({ length: 6 }, writer);
    for (const goal of [300, 600, 900]) {
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(goal), { timeout: 30_000, interval: 5 });
      process.kill(await postmaster(), 'SIGKILL');
      const before = acknowledged.length;
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 50), {
        timeout: 30_000,
        interval: 5,
      });
    }
    writing.abort();
    await Promise.all(writers);
    const rows = await store.db.selectFrom('row').select('id').execute();
    const there = new Set(rows.map(({ id }) => id));
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(900);
    expect(await store.health()).toMatchObject({ ok: true });
  });
});

describe('kill -9 of the gateway', () => {
  it('leaves the server running, and the next gateway takes it over and stops it', async () => {
    const dir = folder();
    const first = await gateway(dir);
    await query(first.said.url, 'create table kept as select 7 as n');
    await first.kill();
    expect(isAlive(first.said.pid)).toBe(true);
    const second = await start(dir);
    expect(second.pid()).toBe(first.said.pid);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]);

    process.kill(first.said.pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]), {
      timeout: 30_000,
    });
    expect(second.pid()).not.toBe(first.said.pid);
    await second.stop();
    expect(existsSync(join(second.data, 'postmaster.pid'))).toBe(false);
  });

  it('together with the server, even when its pid is another process now', async () => {
    const dir = folder();
    const first = await gateway(dir);
    await query(first.said.url, 'create table kept as select 7 as n');
    await first.kill();
    process.kill(first.said.pid, 'SIGKILL');
    const pidFile = join(dir, 'data', 'postmaster.pid');
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    writeFileSync(pidFile, [process.ppid, ...rest].join('\n'));
    const second = await start(dir);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  it('frees the folder; until then a second gateway is told who has it', async () => {
    const dir = folder();
    const first = await gateway(dir);
    const refused = new RegExp(`in use by another gateway \\(pid ${first.process.pid}\\)`);
    await expect(startEmbedded({ dir, log: silentLog })).rejects.toThrow(refused);
    const second = await gateway(dir);
    expect(second.said.error).toMatch(refused);
    expect(await query(first.said.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await first.kill();
    const third = await start(dir);
    expect(await query(third.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('ends an ephemeral server and removes its folder', async () => {
    const dir = folder();
    const first = await gateway(dir, 'ephemeral');
    expect(await query(first.said.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await first.kill();
    await vi.waitFor(() => expect([isAlive(first.said.pid), existsSync(dir)]).toEqual([false, false]), {
      timeout: 20_000,
    });
  });
});

describe('a command beside', () => {
  it('reaches the store of a running gateway, and only that', async () => {
    const dir = folder();
    expect(await attachEmbedded(join(dir, 'absent'))).toBeUndefined();
    expect(await attachEmbedded(dir)).toBeUndefined();
    const first = await gateway(dir);
    const beside = await attachEmbedded(dir);
    expect(beside).toEqual({ url: first.said.url, gateway: first.process.pid });
    expect(await query(beside!.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await first.kill();
    expect(await attachEmbedded(dir)).toBeUndefined();
    await (await start(dir)).stop();
  });
});

describe('Ctrl-C', () => {
  it('in the terminal of the gateway does not reach the server', async () => {
    const dir = folder();
    const first = await gateway(dir);
    const group = (pid: number) => execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    expect(group(first.said.pid)).not.toBe(group(first.process.pid!));
    process.kill(-first.process.pid!, 'SIGINT');
    await once(first.process, 'exit');
    expect(await query(first.said.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await (await start(dir)).stop();
  });
});
