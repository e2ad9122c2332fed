import { pino } from 'pino';
import { createBackend } from '../../adapters/datadrive/backend.js';
import { type DataDriveTables, migrations } from '../../adapters/datadrive/tables.js';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import type { Backend } from '../../src/gateway/backend.js';
import { createGuard } from '../../src/net/guard.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import type { Service } from '../services/index.js';

export const dataDriveStore = (): Promise<TestStore<DataDriveTables>> =>
  testStore<DataDriveTables>({ migrations: { ...storeMigrations, ...migrations } });

/** Configuration of a backend on the stand-in: direct search behind the cookie, bodies from S3, the event feed; quick polling. */
export function configFor(dd: DataDriveSimulator, s3: Service, change: Readonly<Record<string, unknown>> = {}) {
  return {
    id: 'm2020',
    domain: ['nasa', 'm2020'],
    elasticsearch: { url: dd.searchUrl, cookie: true, aliases: Object.values(dd.aliases) },
    s3: {
      ...{ endpoint: s3.url, region: 'us-east-1', accessKeyId: s3.username, secretAccessKey: s3.password },
      buckets: dd.buckets,
    },
    middleware: { url: dd.url },
    login: { family: 'csso', token: dd.cookie('user-a').replace(/^[^=]+=/, '') },
    feed: { poll: 200, sweep: 3000 },
    ...change,
  };
}

export const openDataDrive = (
  store: Store<DataDriveTables>,
  config: Parameters<typeof createBackend>[0],
): Promise<Backend> =>
  createBackend(config, {
    store: store as Store,
    log: pino({ level: process.env.DATADRIVE_LOG ?? 'silent' }),
    guard: createGuard({ allow: [] }),
    clock: () => BigInt(Date.now()) * 1_000_000n,
  });
