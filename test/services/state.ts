import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { stateDir } from './paths.js';
import { isAlive, processOf, type ServerProcess } from './processes.js';

/** A server as a test sees it. */
export interface Service {
  readonly name: string;
  /** Without credentials: `http://127.0.0.1:9200`, `sftp://127.0.0.1:2022`, `postgres://127.0.0.1:5432/bench`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** SFTP: `sha256:<hex>` of the host key. */
  readonly hostKey?: string;
  /** SFTP: private key (OpenSSH or PEM text) that also logs in. */
  readonly privateKey?: string;
  /** SFTP: the folder below the login's root where it may write, e.g. `/upload`. */
  readonly folder?: string;
  /** The same folder on this machine's disk, to look at what landed; absent for a server that is not ours. */
  readonly localFolder?: string;
  readonly version?: string;
}

/** What the state file of a running server holds. */
export interface Running {
  readonly service: Service;
  readonly process?: ServerProcess;
  readonly signal?: NodeJS.Signals;
  /** Container id, when an engine runs it. */
  readonly container?: string;
}

const runningFile = (name: string): string => join(stateDir, `${name}.json`);

export function readRunning(name: string): Running | undefined {
  try {
    return JSON.parse(readFileSync(runningFile(name), 'utf8')) as Running;
  } catch {
    return undefined;
  }
}

export const writeRunning = (name: string, running: Running): void => replaceFile(runningFile(name), running);

/** Readers see the old content or the new one, never a part. */
function replaceFile(path: string, value: unknown): void {
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, path);
}

export function forgetRunning(name: string): void {
  rmSync(runningFile(name), { force: true });
}

export function allRunning(): readonly Running[] {
  return readdirSync(stateDir)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readRunning(file.slice(0, -5)) ?? []);
}

const usersDir = join(stateDir, 'users');

/**
 * Records who uses the servers: the test runner, not the worker of one test file, so that servers live through a whole run.
 * A worker thread shares the runner's process; a forked worker is its child.
 */
export function registerUser(): void {
  mkdirSync(usersDir, { recursive: true });
  const pid = process.env.VITEST_POOL_ID !== undefined && isMainThread ? process.ppid : process.pid;
  replaceFile(join(usersDir, String(pid)), processOf(pid));
}

/** True while a process that uses the servers is alive; forgets the others. */
export function hasUsers(): boolean {
  let any = false;
  for (const file of readdirSync(usersDir)) {
    if (!/^\d+$/.test(file)) continue;
    const path = join(usersDir, file);
    let user: ServerProcess | undefined;
    try {
      user = JSON.parse(readFileSync(path, 'utf8')) as ServerProcess;
    } catch {
      user = undefined;
    }
    if (user && isAlive(user)) any = true;
    else rmSync(path, { force: true });
  }
  return any;
}
