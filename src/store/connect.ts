import { setTimeout as sleep } from 'node:timers/promises';
import { type IsolationLevel, Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { type EmbeddedServer, startEmbedded } from './embedded/server.js';
import { isRetry } from './errors.js';
import { createListener, type NotificationHandler } from './listen.js';
import { type Log, silentLog } from './log.js';
import { classifyingPool } from './pool.js';
import { typeParsers } from './types.js';

/** The database. Tables belong to the modules that use them: `store.db.withTables<MyTables>()`. */
export interface Store<Database = unknown> {
  readonly db: Kysely<Database>;
  /** With the password: never log it. */
  readonly url: string;
  /** Wake-ups by NOTIFY; see {@link NotificationHandler}. Polling stays the truth. */
  listen(channel: string, handler: NotificationHandler): Promise<() => Promise<void>>;
  health(): Promise<StoreHealth>;
  close(): Promise<void>;
}

export interface StoreHealth {
  readonly ok: boolean;
  readonly reason?: string;
  /** Server version as in `18.4`. */
  readonly version?: string;
}

export interface StoreOptions {
  readonly log?: Log;
  /** Connections at most; 10 by default. */
  readonly poolSize?: number;
  readonly signal?: AbortSignal;
  /** How long to wait for a server that is not there yet; 30 s by default. */
  readonly waitMs?: number;
}

/** Opens the database at `url`, or the embedded one in the folder `dir`, which then belongs to this process alone. */
export async function openStore<Database = unknown>(
  where: { readonly url: string } | { readonly dir: string; readonly ephemeral?: boolean },
  options: StoreOptions = {},
): Promise<Store<Database>> {
  const log = options.log ?? silentLog;
  const embedded =
    'url' in where
      ? undefined
      : await startEmbedded({ ...where, log, ...(options.signal && { signal: options.signal }) });
  try {
    return await connect<Database>('url' in where ? where.url : embedded!.url, embedded, log, options);
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function connect<Database>(
  url: string,
  embedded: EmbeddedServer | undefined,
  log: Log,
  options: StoreOptions,
): Promise<Store<Database>> {
  const config: pg.PoolConfig = {
    connectionString: url,
    application_name: 'mpd-gateway',
    types: typeParsers,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const pool = new pg.Pool({ ...config, max: options.poolSize ?? 10, idleTimeoutMillis: 30_000 });
  let closed: Promise<void> | undefined;
  pool.on('error', (error) => {
    if (closed === undefined) log.warn({ err: error }, 'an idle connection to the store was lost');
  });
  // At once: a connection may be cut in the same packet that makes it, before whoever asked for it can listen.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: classifyingPool(pool) }) });
  const listener = createListener(config, log);
  const close = async () => {
    await listener.close();
    await db.destroy();
    await embedded?.stop();
  };
  try {
    await waitUntilUp(db, log, options);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return {
    db,
    url,
    listen: (channel, handler) => listener.listen(channel, handler),
    health: () => health(db),
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

async function waitUntilUp<Database>(
  db: Kysely<Database>,
  log: Log,
  { waitMs = 30_000, signal }: StoreOptions,
): Promise<void> {
  const end = performance.now() + waitMs;
  for (let wait = 50; ; wait = Math.min(wait * 2, 2_000)) {
    signal?.throwIfAborted();
    try {
      await sql`select 1`.execute(db);
      return;
    } catch (error) {
      if (!isRetry(error) || performance.now() + wait > end) throw error;
      log.info({ err: error }, 'waiting for the store');
    }
    await sleep(wait, undefined, signal ? { signal } : {});
  }
}

async function health<Database>(db: Kysely<Database>): Promise<StoreHealth> {
  try {
    const { rows } = await sql<{ version: string; standby: boolean }>`
      select current_setting('server_version') as version, pg_is_in_recovery() as standby`.execute(db);
    const { version, standby } = rows[0]!;
    return standby ? { ok: false, version, reason: 'the database is a read-only standby' } : { ok: true, version };
  } catch (error) {
    return { ok: false, reason: (error as Error).message };
  }
}

export interface RetryOptions {
  readonly isolation?: IsolationLevel;
  /** 8 by default, with pauses from 20 ms up to 2 s between them. */
  readonly attempts?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs `fn` in a transaction, again after an error of class `retry`. When the connection was lost at the commit it may have
 * been done already, so `fn` must be such that twice is the same as once.
 */
export async function withRetry<Database, Result>(
  db: Kysely<Database>,
  fn: (trx: Transaction<Database>) => Promise<Result>,
  { isolation, attempts = 8, signal }: RetryOptions = {},
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      const transaction = db.transaction();
      return await (isolation ? transaction.setIsolationLevel(isolation) : transaction).execute(fn);
    } catch (error) {
      if (attempt >= attempts || !isRetry(error)) throw error;
    }
    const pause = Math.min(20 * 2 ** (attempt - 1), 2_000) * (0.5 + Math.random());
    await sleep(pause, undefined, signal ? { signal } : {});
  }
}
