import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { createAccess } from '../../src/gateway/access/access.js';
import { coreMigrations } from '../../src/gateway/migrations.js';
import type { CoreTables } from '../../src/gateway/schema.js';
import { migrate, openStore, storeMigrations } from '../../src/store/index.js';
import { type GatewayProcess, startProcess } from '../../test/faults/crash/process.js';
import { builtProgram } from '../built.js';

/** Seconds of the processor, the system's work for it included, that a process has used. */
export function cpuOf(pid: number): number {
  // Behind the name, which may hold spaces: state is the third field, utime and stime the 14th and 15th, in hundredths.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A gateway of its own process on the embedded database; with an archive folder and a delivery folder unless the configuration says otherwise. */
export interface Workspace {
  readonly dir: string;
  readonly products: string;
  readonly delivered: string;
  readonly key: string;
  /** Starts it; answers when it is ready, with the seconds that took. */
  start(): Promise<{ readonly url: string; readonly seconds: number }>;
  stop(): Promise<void>;
  /** Other sections of gateway.yaml from the next start on. */
  configure(more: Readonly<Record<string, unknown>>): void;
  /** Resident memory of the gateway now, MiB. */
  rss(): number;
  /** Seconds of the processor that it has used. */
  cpu(): number;
  /** Highest growth of it while the work runs, MiB. */
  growth<T>(work: () => Promise<T>): Promise<{ readonly growth: number; readonly value: T }>;
  remove(): Promise<void>;
}

/** @param more sections of gateway.yaml in place of the workspace's own */
export async function workspace(more: Readonly<Record<string, unknown>> = {}): Promise<Workspace> {
  const dir = mkdtempSync(join(tmpdir(), 'mpd-bench-'));
  chmodSync(dir, 0o755);
  const [products, delivered] = [join(dir, 'products'), join(dir, 'delivered')];
  for (const folder of [products, delivered]) mkdirSync(folder);
  const config = join(dir, 'gateway.yaml');
  const configure = (sections: Readonly<Record<string, unknown>>): void =>
    writeFileSync(
      config,
      stringify({
        store: { dir: join(dir, 'store') },
        listen: { http: { port: 0 } },
        access: { principals: [{ id: 'operator', role: 'operator' }] },
        backends: [{ id: 'local', kind: 'archive', domain: ['local'], path: products, settle: '100ms' }],
        targets: { allow: [{ scheme: 'file', root: delivered }] },
        limits: { rate: { requestsPerMinute: 1_000_000 } },
        log: { level: 'warn' },
        ...sections,
      }),
    );
  configure(more);
  const store = await openStore<CoreTables>({ dir: join(dir, 'store') });
  await migrate(store.db, { ...storeMigrations, ...coreMigrations });
  const access = createAccess(store.db);
  await access.syncConfigured([{ id: 'operator', role: 'operator', policy: null }]);
  const { key } = await access.createKey('operator', {});
  const program = builtProgram();
  await store.close();
  let running: GatewayProcess | undefined;
  const rss = () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${running!.child.pid}/status`, 'utf8'))![1]) / 1024;
  return {
    dir,
    products,
    delivered,
    key,
    rss,
    cpu: () => cpuOf(running!.child.pid!),
    configure,
    async start() {
      const begin = performance.now();
      running = startProcess(config, join(dir, 'gateway.log'), null, program);
      const url = await running.ready;
      if (url === null) throw new Error(readFileSync(join(dir, 'gateway.log'), 'utf8'));
      while (!(await fetch(`${url}/readyz`)).ok) await sleep(50);
      return { url, seconds: (performance.now() - begin) / 1000 };
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
    async growth(work) {
      const before = rss();
      let highest = before;
      const timer = setInterval(() => {
        highest = Math.max(highest, rss());
      }, 25);
      try {
        const value = await work();
        return { growth: Math.max(highest, rss()) - before, value };
      } finally {
        clearInterval(timer);
      }
    },
    async remove() {
      await running?.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
