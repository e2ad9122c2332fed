import { randomBytes } from 'node:crypto';
import { accessSync, chmodSync, constants, mkdtempSync, statfsSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openStore, type Store } from './connect.js';
import { type EmbeddedServer, startEmbedded } from './embedded/server.js';
import { silentLog } from './log.js';
import { type Migrations, migrate } from './migrate.js';

/** Port of the run's server keeper, set by `test/global-setup.ts`. */
export const KEEPER_PORT = 'MPD_TEST_KEEPER_PORT';

/** Bytes free, so that a container's small default is left alone. */
const MEMORY_NEEDED = 2 ** 30;

export interface TestStore<Database> extends Store<Database> {
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestStoreOptions {
  readonly migrations?: Migrations;
  readonly poolSize?: number;
}

/**
 * A fresh, migrated database of its own on the test run's server, dropped by `close`. `MPD_TEST_DATABASE_URL` names another
 * server whose user may create databases. Outside a test run it has a server of its own, which ends with it.
 */
export async function testStore<Database = unknown>(options: TestStoreOptions = {}): Promise<TestStore<Database>> {
  const server = await testServer();
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await administer(server.url, `create database ${name} template template0`);
  const store = await openStore<Database>({ url: withDatabase(server.url, name) }, { poolSize: options.poolSize ?? 5 });
  if (options.migrations) await migrate(store.db, options.migrations);
  let closed: Promise<void> | undefined;
  const dispose = async () => {
    await store.close();
    await administer(server.url, `drop database if exists ${name} with (force)`);
    await server.release();
  };
  const close = () => {
    closed ??= dispose();
    return closed;
  };
  return { ...store, close, [Symbol.asyncDispose]: close };
}

/** A server for tests: files in memory where possible, no waiting for the disk, gone with this process. */
export async function startTestServer(): Promise<EmbeddedServer> {
  const dir = mkdtempSync(join(quickFolder(), 'mpd-test-'));
  chmodSync(dir, 0o755);
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200' };
  return startEmbedded({ dir, log: silentLog, ephemeral: true, settings });
}

/** A new database is some three hundred small files: ten times quicker in memory. */
function quickFolder(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    accessSync('/dev/shm', constants.W_OK);
    if (bavail * bsize > MEMORY_NEEDED) return '/dev/shm';
  } catch {
    return tmpdir();
  }
  return tmpdir();
}

async function testServer(): Promise<{ url: string; release(): Promise<void> }> {
  const kept = async () => undefined;
  const given = process.env.MPD_TEST_DATABASE_URL;
  if (given) return { url: given, release: kept };
  const keeper = process.env[KEEPER_PORT];
  if (keeper) return { url: await askKeeper(Number(keeper)), release: kept };
  const own = await startTestServer();
  return { url: own.url, release: () => own.stop() };
}

async function askKeeper(port: number): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of connect(port, '127.0.0.1')) chunks.push(chunk as Buffer);
  const answer = JSON.parse(Buffer.concat(chunks).toString()) as { url?: string; error?: string };
  if (!answer.url) throw new Error(`the test database did not start: ${answer.error}`);
  return answer.url;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  return url.replace(/^([^/]*\/\/[^/]*)\/[^?]*/, `$1/${name}`);
}
