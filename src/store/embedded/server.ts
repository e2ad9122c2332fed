import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../log.js';
import { serverAccount } from './account.js';
import { type Binaries, locatePackage, prepareBinaries } from './binaries.js';
import { type Connection, connectionOf, DATABASE, PORT, urlOf } from './connection.js';
import { ensureData } from './initialise.js';
import { ELSEWHERE, type Layout, prepareLayout } from './layout.js';
import { lockFolder } from './lock.js';
import { disownPostmaster, isAlive, isServerOf, readPostmaster } from './postmaster.js';
import { stopWithParent } from './reaper.js';
import { type Running, shutDown, supervise } from './supervise.js';

export interface EmbeddedOptions {
  /** Folder of the server, made when absent. */
  readonly dir: string;
  readonly log: Log;
  /** Server settings beyond ours, for example `{ fsync: 'off' }` in tests. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The server ends and its folder goes when this process ends, however it ends. Else a killed gateway's server is re-used. */
  readonly ephemeral?: boolean;
  readonly signal?: AbortSignal;
}

export interface EmbeddedServer {
  readonly connection: Connection;
  readonly url: string;
  readonly data: string;
  /** Process id of the running server; undefined while it is being restarted. */
  pid(): number | undefined;
  stop(): Promise<void>;
}

const LOG_MAX = 16 * 1024 * 1024;
const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
  fsync: 'on',
};

/** Starts the server in `dir`, or takes over the one that a killed gateway left running, and restarts it whenever it dies. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { log } = options;
  const root = locatePackage();
  if (mkdirSync(options.dir, { recursive: true })) chmodSync(options.dir, 0o755);
  const dir = realpathSync(options.dir);
  const locks = [await lockFolder(dir)];
  const unlock = () => {
    for (const lock of locks) lock.release();
  };
  let reaper: { dismiss(): void } | undefined;
  try {
    const account = serverAccount([join(dir, 'data'), join(dir, ELSEWHERE, 'data')]);
    const layout = prepareLayout(dir, account);
    if (layout.base !== dir) {
      locks.push(await lockFolder(layout.base));
      log.warn(
        { dir, base: layout.base, user: account.name },
        'the database user cannot reach store.dir; its files are kept elsewhere',
      );
    }
    const binaries = prepareBinaries(root, layout.runtime, account);
    const password = await ensureData(layout, binaries, account);
    const launch = () => launchServer(layout, binaries, options, account);
    if (options.ephemeral) reaper = stopWithParent(layout, dir);
    const first = await bringUp(layout, launch, log, options.signal);
    const connection = connectionOf(layout, password);
    await ensureDatabase(connection).catch(async (error) => {
      await shutDown(first);
      throw error;
    });
    log.info({ dir, pid: first.pid }, 'embedded database ready');
    const supervised = supervise(first, (signal) => bringUp(layout, launch, log, signal), log);

    let stopped: Promise<void> | undefined;
    const stop = async () => {
      await supervised.stop();
      unlock();
      if (options.ephemeral)
        for (const path of [layout.base, layout.sockets, dir]) rmSync(path, { recursive: true, force: true });
      reaper?.dismiss();
    };
    return {
      connection,
      url: urlOf(connection),
      data: layout.data,
      pid: supervised.pid,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    unlock();
    reaper?.dismiss();
    throw error;
  }
}

/** Until a server on the data folder is ready: the one that already runs, or a new one. Crash recovery may take its time. */
async function bringUp(layout: Layout, launch: () => ChildProcess, log: Log, signal?: AbortSignal): Promise<Running> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const found = readPostmaster(layout.data);
    if (found && isServerOf(found.pid, layout.data)) {
      log.info({ pid: found.pid }, 'taking over the running embedded database');
      const running = { pid: found.pid, ended: goneByPolling(found.pid) };
      if (await isReady(layout, running, signal)) return running;
      continue;
    }
    if (found) disownPostmaster(layout.data);
    const from = logSize(layout);
    const child = launch();
    const running = { pid: child.pid ?? -1, ended: goneByEvent(child) };
    try {
      if (child.pid !== undefined && (await isReady(layout, running, signal))) return running;
    } catch (error) {
      await shutDown(running);
      throw error;
    }
    const said = readFileSync(layout.log).subarray(from).toString().trim();
    // The children of a killed server hold its shared memory for a moment.
    if (attempt > 150 || !/shared memory block|lock file/.test(said))
      throw new Error(`the embedded database did not start: ${said.slice(-2000) || 'it said nothing'}`);
    await sleep(200, undefined, signal ? { signal } : {});
  }
}

/** True when the server answers, false when it ended before. */
async function isReady(layout: Layout, running: Running, signal?: AbortSignal): Promise<boolean> {
  let ended = false;
  running.ended.then(() => {
    ended = true;
  });
  while (!ended) {
    const found = readPostmaster(layout.data);
    if (found?.pid === running.pid && found.status === 'ready') return true;
    await sleep(15, undefined, signal ? { signal } : {});
  }
  return false;
}

function launchServer(
  layout: Layout,
  binaries: Binaries,
  options: EmbeddedOptions,
  account: { uid?: number; gid?: number },
): ChildProcess {
  if (logSize(layout) > LOG_MAX) renameSync(layout.log, `${layout.log}.1`);
  const settings = { ...SETTINGS, unix_socket_directories: layout.sockets, ...options.settings };
  const args = [
    '-D',
    layout.data,
    '-p',
    String(PORT),
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const output = openSync(layout.log, 'a', 0o600);
  const child = spawn(binaries.postgres, args, {
    cwd: '/',
    env: { ...binaries.env, TZ: 'UTC', LC_ALL: 'C' },
    // A process group of its own: Ctrl-C must not end the server before the gateway has drained.
    detached: true,
    stdio: ['ignore', output, output],
    ...(account.uid === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  closeSync(output);
  child.unref();
  return child;
}

function goneByEvent(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve()).once('error', () => resolve());
  });
}

async function goneByPolling(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(100, undefined, { ref: false });
}

async function ensureDatabase(connection: Connection): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'postgres', connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

function logSize(layout: Layout): number {
  return statSync(layout.log, { throwIfNoEntry: false })?.size ?? 0;
}
