import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import { pino } from 'pino';
import { createMalBinding, type MalBinding } from '../../src/bindings/mal/index.js';
import type { Gateway } from '../../src/gateway/api.js';
import type { CoreTables, OrderMethod } from '../../src/gateway/schema.js';
import { openStore } from '../../src/store/index.js';
import { testGateway } from '../../test/gateway.js';
import { HELD_PRODUCTS, heldProducts } from '../../test/interop/held-products.js';
import { product } from '../../test/interop/products.js';

/**
 * A whole gateway whose event log holds COUNT products of an order of METHOD before anybody publishes:
 *
 *     fanout-process.ts METHOD COUNT SIZE
 *
 * prints the order's id. `open` makes a MAL binding that begins with the first of those events and prints its address; `go` lets it
 * publish, `close` ends it.
 */
const [method, count, size] = [process.argv[2] as OrderMethod, Number(process.argv[3]), Number(process.argv[4])];
const held = heldProducts('bench');
const gateway = await testGateway({
  config: {
    listen: { http: { enabled: false } },
    access: { principals: [{ id: 'operator', role: 'operator' }, { id: 'bench' }] },
    backends: [{ id: 'bench', kind: 'module', module: HELD_PRODUCTS, domain: ['peer'] }],
  },
});
const store = await openStore<CoreTables>({ url: gateway.databaseUrl });
const bench = await gateway.gateway.access.principal('bench');
const files = method === 'FILETRANSFER';
const { orderID } = await gateway.gateway.orders.submit(
  {
    ...{ user: null, productFilter: null, validityPeriod: null, comments: null, deliverTo: null },
    deliveryMethod: files ? 'SERVICE_JUST_METADATA' : method,
  },
  bench,
);
const { cursor: start } = await gateway.gateway.events.read({ cursor: null }, 1, bench);
for (let i = 0; i < count; i++) {
  held.put(product(`fresh-${i}`, { domain: ['peer', 'bulk'], type: 'fresh', body: new Uint8Array(size) }));
}
for (;;) {
  const { rows } = await sql<{ n: bigint }>`
    select count(*) as n from event where type = 'available' and tx < pg_snapshot_xmin(pg_current_snapshot())`.execute(
    store.db,
  );
  if (rows[0]!.n === BigInt(count)) break;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
// Files take their time: what is measured begins with the event that tells of their arrival.
if (files)
  await sql`update event set type = 'delivered', payload = payload || jsonb_build_object('filename', payload ->> 'key',
    'deliveredTo', 'file:///delivered', 'success', true) where type = 'available'`.execute(store.db);
await sql`vacuum analyze`.execute(store.db);
process.stdout.write(`${orderID}\n`);

let go = (): void => {};
let binding: MalBinding | null = null;

async function open(): Promise<string> {
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const { events } = gateway.gateway;
  const late: Gateway = {
    ...gateway.gateway,
    events: {
      ...events,
      read: async () => ({ events: [], cursor: start }),
      async *pages(...args) {
        await gate;
        yield* events.pages(...args);
      },
    },
  };
  const MiB = 1024 * 1024;
  binding = createMalBinding({
    gateway: late,
    config: {
      maltcp: {
        ...{ host: '127.0.0.1', port: 0, publicUri: null, tls: null, encodings: ['binary-fixed'] },
        ...{ maxFrame: 65 * MiB, connections: 100, interactions: 1000 },
      },
      malhttp: null,
      encodingPorts: [],
      endpoints: {
        ...{ retrieval: 'ProductRetrieval', orders: 'OrderManagement', delivery: 'ProductOrderDelivery' },
        broker: 'ProductOrderDeliveryInternalBroker',
      },
      rules: [{ cidr: '127.0.0.1/32', principal: 'bench', user: 'asserted' }],
      capabilities: {
        ...{ listProducts: true, getProducts: true, deliverProductFiles: true, listStandingOrders: true },
        ...{ manageStandingOrders: true, notifyProductDelivery: true, deliverProducts: true },
      },
      namedFilters: false,
      limits: { results: 10_000, products: 1000, body: 64 * MiB, held: 256 * MiB, drainMs: 1000 },
    },
    log: pino({ level: 'silent' }),
    present: (metadata) => metadata,
    source: 'bench',
  });
  const [address] = await binding.listen();
  return address!.root;
}

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  if (line === 'open') process.stdout.write(`${await open()}\n`);
  if (line === 'go') go();
  if (line === 'close') {
    await binding!.close();
    process.stdout.write('closed\n');
  }
}
await store.close();
await gateway.close();
process.exit(0);
