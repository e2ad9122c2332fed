import { pino } from 'pino';
import type { Backend } from '../../src/gateway/backend.js';
import { createGuard } from '../../src/net/guard.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { createBackend } from './backend.js';
import { type MpdTables, migrations } from './tables.js';

export const mpdStore = (): Promise<TestStore<MpdTables>> =>
  testStore<MpdTables>({ migrations: { ...storeMigrations, ...migrations } });

/** A provider on this machine as a backend, listed often. */
export const openMpd = (store: Store<MpdTables>, url: string, config: Record<string, unknown> = {}): Promise<Backend> =>
  createBackend(
    { id: 'remote', domain: ['local'], url, poll: 500, sweep: 1000, timeout: 10_000, ...config },
    {
      store: store as Store,
      log: pino({ level: process.env.MPD_TEST_LOG ?? 'silent' }),
      guard: createGuard({ allow: [] }),
      clock: () => BigInt(Date.now()) * 1_000_000n,
    },
  );
