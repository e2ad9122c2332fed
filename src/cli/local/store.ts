import type { GatewayConfig } from '../../config/index.js';
import type { CoreTables } from '../../gateway/schema.js';
import { attachEmbedded, migrate, openStore, type Store } from '../../store/index.js';

/** How a command reaches the database. */
export type Reach = 'url' | 'beside a running gateway' | 'started for this command';

export interface LocalStore {
  readonly store: Store<CoreTables>;
  readonly reach: Reach;
}

/** The database of the configuration: yours, the embedded one of a running gateway, or the embedded one started for this command. */
export async function openLocalStore(config: GatewayConfig, signal: AbortSignal): Promise<LocalStore> {
  const options = { poolSize: 4, signal, waitMs: 5_000 };
  if (config.store.url !== undefined)
    return { store: await openStore<CoreTables>({ url: config.store.url }, options), reach: 'url' };
  const running = await attachEmbedded(config.store.dir);
  if (running !== undefined)
    return { store: await openStore<CoreTables>({ url: running.url }, options), reach: 'beside a running gateway' };
  return { store: await openStore<CoreTables>({ dir: config.store.dir }, options), reach: 'started for this command' };
}

/** Runs `work` on the migrated database and closes it, however that ends. */
export async function withStore<T>(
  config: GatewayConfig,
  signal: AbortSignal,
  work: (local: LocalStore) => Promise<T>,
): Promise<T> {
  const local = await openLocalStore(config, signal);
  try {
    await migrate(local.store.db, await migrations(config));
    return await work(local);
  } finally {
    await local.store.close();
  }
}

/** Those of the gateway and of every adapter in use: a copy of the store has their tables too. */
async function migrations(config: GatewayConfig) {
  const [{ migrationsOf }, { loadAdapter }] = await Promise.all([import('../../main.js'), import('../../modules.js')]);
  return migrationsOf(await Promise.all(config.backends.filter(({ enabled }) => enabled).map(loadAdapter)));
}
