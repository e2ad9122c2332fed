import { pino } from 'pino';
import { createBackends } from '../../src/gateway/backends.js';
import { TEST_LIMITS } from '../../src/gateway/delivery/testing.js';
import { startDeliveryWorkers } from '../../src/gateway/delivery/workers.js';
import type { CoreTables } from '../../src/gateway/schema.js';
import { createTargets } from '../../src/gateway/targets.js';
import { memoryBackend } from '../../src/gateway/testing.js';
import { openStore } from '../../src/store/index.js';
import { fileTarget } from '../../src/targets/file/index.js';
import { CRASH_CONTENT, CRASH_LEASE_MS } from './delivery-crash-content.js';

/** Delivers what is queued until nothing waits, then ends with 0; arguments: database URL, root of the file target. */
const [url = '', root = ''] = process.argv.slice(2);
const store = await openStore<CoreTables>({ url });
const backend = memoryBackend();
for (const [key, text] of CRASH_CONTENT) backend.put(key, text);
const targets = createTargets({
  targets: [fileTarget([root])],
  config: { allow: [], named: {}, inlineCredentials: false },
});
const workers = startDeliveryWorkers({
  store,
  backends: createBackends([backend]),
  targets,
  log: pino({ level: process.env.MPD_TEST_LOG ?? 'silent' }, pino.destination(2)),
  limits: { ...TEST_LIMITS, leaseMs: CRASH_LEASE_MS },
});
for (;;) {
  const waiting = await store.db
    .selectFrom('delivery')
    .select('id')
    .where('state', 'in', ['queued', 'sending', 'landed'])
    .executeTakeFirst();
  if (waiting === undefined) break;
  await new Promise((resolve) => setTimeout(resolve, 20));
}
await workers.stop();
await store.close();
