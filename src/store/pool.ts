import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type pg from 'pg';
import { storeError } from './errors.js';

/** The pool as Kysely uses it, with errors in the form of {@link storeError}. */
export function classifyingPool(pool: pg.Pool): PostgresPool {
  const wrapped = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    async connect() {
      const client = await pool.connect().catch(rethrow);
      let known = wrapped.get(client);
      if (!known) {
        known = wrap(client);
        wrapped.set(client, known);
      }
      return known;
    },
    end: () => pool.end(),
  };
}

function wrap(client: pg.PoolClient): PostgresPoolClient {
  // Between a lost connection and the release of its client the event has no other listener and would end the process.
  client.on('error', () => undefined);
  const query = async (sql: string, parameters: readonly unknown[]) =>
    client.query(sql, [...parameters]).catch(rethrow);
  return { query: query as unknown as PostgresPoolClient['query'], release: () => client.release() };
}

function rethrow(error: unknown): never {
  throw storeError(error);
}
