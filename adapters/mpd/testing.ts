import { pino } from 'pino';
import { connectMal } from '../../src/client/index.js';
import type { Backend } from '../../src/gateway/backend.js';
import type { EncodingName } from '../../src/mal/index.js';
import { createGuard } from '../../src/net/guard.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import type { UpstreamView } from '../../test/conformance/index.js';
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

/** What stands at a provider, asked of it like any consumer does. */
export function ordersAt(url: string, encoding: EncodingName): UpstreamView & { close(): Promise<void> } {
  const client = connectMal(url, { encoding });
  const productFilter = { productType: 'theirs', domain: null, sources: null, attributeFilter: null };
  return {
    standing: async () =>
      (await client.listStandingOrders()).filter(({ comments }) => /follows as backend remote$/.test(comments ?? ''))
        .length,
    async foreign() {
      const before = (await client.listStandingOrders()).length;
      const orderID = await client.submitStandingOrder({
        ...{ orderID: null, user: 'somebody', productFilter, validityPeriod: null, deliverTo: null, comments: null },
        deliveryMethod: 'SERVICE_COMPLETE',
      });
      const listed = await client.listStandingOrders();
      const at = listed.findIndex(({ user }) => user === 'somebody');
      if (listed.length !== before + 1) throw new Error('the order is not listed');
      return listed[at]!.orderID === null ? `without a number, at ${at}` : String(orderID);
    },
    close: () => client.close(),
  };
}
