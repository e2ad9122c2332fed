import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Recipe } from './catalogue.js';
import { freePort, runDir, scriptDir } from './paths.js';
import { processOf, run, until } from './processes.js';
import type { Service } from './state.js';

const username = 'bench';
const password = 'bench-pw';

async function answers(service: Pick<Service, 'url' | 'username' | 'password'>): Promise<boolean> {
  const url = new URL(service.url);
  url.username = service.username ?? '';
  url.password = service.password ?? '';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query('select 1')).rowCount === 1;
  } finally {
    await client.end();
  }
}

/** Debian's PostgreSQL on a cluster of its own; user `bench` is superuser of database `bench`. */
export function postgres(name: string): Recipe {
  const root = '/usr/lib/postgresql';
  return {
    environment: 'MPD_TEST_POSTGRES',
    container: {
      image: 'postgres:16',
      port: 5432,
      env: { POSTGRES_USER: username, POSTGRES_PASSWORD: password, POSTGRES_DB: 'bench' },
      service: (port) => ({ name, url: `postgres://127.0.0.1:${port}/bench`, username, password }),
    },
    missing: () =>
      existsSync(root) && readdirSync(root).some((version) => existsSync(join(root, version, 'bin', 'initdb')))
        ? undefined
        : `not installed: run .ci/services ${name}`,
    healthy: answers,
    async start() {
      const dir = runDir(name);
      const port = await freePort();
      const pid = Number(await run(join(scriptDir, 'postgres', 'start-postgres.sh'), [dir, String(port)]));
      const process = processOf(pid);
      const service = { name, url: `postgres://127.0.0.1:${port}/bench`, username, password };
      await until(() => answers(service), name, { process, log: join(dir, 'server.log') });
      return { service, process, signal: 'SIGINT' as const };
    },
  };
}
