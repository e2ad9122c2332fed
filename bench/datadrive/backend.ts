import { pino } from 'pino';
import { createBackend } from '../../adapters/datadrive/index.js';
import { migrations } from '../../adapters/datadrive/tables.js';
import { createGuard } from '../../src/net/guard.js';
import { storeMigrations } from '../../src/store/index.js';
import { testStore } from '../../src/store/testing.js';

export interface ListingBackend {
  /** Reads the first entries in order of creation; answers how many. */
  list(most: number): Promise<number>;
  close(): Promise<void>;
}

/** The backend by itself, in this process: what the mapping into ProductMetadata costs, without HTTP. */
export async function openBackend(config: Parameters<typeof createBackend>[0]): Promise<ListingBackend> {
  const store = await testStore({ migrations: { ...storeMigrations, ...migrations } });
  const guard = createGuard({ allow: [] });
  const log = pino({ level: 'silent' });
  const clock = () => BigInt(Date.now()) * 1_000_000n;
  const backend = await createBackend(config, { store: store as never, log, guard, clock });
  const { signal } = new AbortController();
  const query = { filter: null, created: null, content: null, updated: null };
  return {
    async list(most) {
      let count = 0;
      for await (const _ of backend.list(query, { order: 'created', limit: most, signal })) if (++count >= most) break;
      return count;
    },
    async close() {
      await backend.close();
      guard.close();
      await store.close();
    },
  };
}
