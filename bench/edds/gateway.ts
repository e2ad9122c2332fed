import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { connectHttp, type HttpClient } from '../../src/client/index.js';
import { createAccess } from '../../src/gateway/access/access.js';
import { coreMigrations } from '../../src/gateway/migrations.js';
import type { CoreTables } from '../../src/gateway/schema.js';
import { storeMigrations } from '../../src/store/index.js';
import { testStore } from '../../src/store/testing.js';
import { startProcess } from '../../test/faults/crash/process.js';
import { builtProgram } from '../built.js';

/** A whole gateway in front of EDDS, in a process of its own. */
export interface BenchGateway {
  readonly client: HttpClient;
  /** Resident memory now, MiB, and user and system time so far, seconds. */
  usage(): { readonly rss: number; readonly cpu: number };
  close(): Promise<void>;
}

export async function benchGateway(wsdl: string): Promise<BenchGateway> {
  const dir = mkdtempSync(join(tmpdir(), 'mpd-bench-gateway-'));
  const store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
  const access = createAccess(store.db);
  await access.syncConfigured([{ id: 'operator', role: 'operator', policy: null }]);
  const { key } = await access.createKey('operator', {});
  const config = join(dir, 'gateway.yaml');
  const edds = {
    id: 'solo',
    kind: 'edds',
    domain: ['esa', 'solo'],
    wsdl,
    username: 'ops',
    password: 'ops',
    mission: 'SOL',
    cache: { path: join(dir, 'cache') },
    site: { limits: { poll: 50, pollMax: 50 } },
  };
  writeFileSync(
    config,
    stringify({
      store: { url: store.url },
      listen: { http: { port: 0 } },
      access: { principals: [{ id: 'operator', role: 'operator' }] },
      backends: [edds],
    }),
  );
  const gateway = startProcess(config, join(dir, 'gateway.log'), null, builtProgram());
  const url = await gateway.ready;
  if (url === null) throw new Error('the gateway did not start');
  const client = connectHttp(url, { key, idleTimeoutMs: 600_000 });
  return {
    client,
    usage() {
      const pid = gateway.child.pid!;
      const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
      // Fields behind the name in brackets; 14 and 15 are user and system time in ticks of 10 ms.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return { rss, cpu: (Number(fields[11]) + Number(fields[12])) / 100 };
    },
    async close() {
      await client.close();
      await gateway.stop();
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The most resident memory of the gateway while the work runs, above what it was before; MiB. */
export async function growthOf<T>(
  gateway: BenchGateway,
  work: () => Promise<T>,
): Promise<{ growth: number; value: T }> {
  const before = gateway.usage().rss;
  let highest = before;
  const look = () => {
    highest = Math.max(highest, gateway.usage().rss);
  };
  const timer = setInterval(look, 20);
  try {
    const value = await work();
    look();
    return { growth: highest - before, value };
  } finally {
    clearInterval(timer);
  }
}
