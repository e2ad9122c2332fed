import { createConsumer, createGrammar, createSession, ENCODINGS, maltcpClient } from '../../src/mal/index.js';
import { mpdArea, mpdRegistry, OrderManagement, ProductOrderDelivery } from '../../src/mpd/index.js';
import { printTable } from '../table.js';
import { type Provider, startEsa, startStack } from './providers.js';

/** Fan-out of deliverProducts: ESA's provider and our stack, each told to publish, to 1 and 10 subscribers over one connection. */
export async function notifyBench(): Promise<void> {
  const rows: (readonly (string | number)[])[] = [];
  for (const start of [startEsa, startStack]) {
    const provider = await start();
    const publish =
      start === startEsa
        ? (count: number) => {
            for (let i = 0; i < count; i++) provider.tell('put peer.bulk:fresh:1 --type fresh --size 100');
          }
        : (count: number) => provider.tell(`publish ${count} 100`);
    try {
      rows.push(...(await notifications(provider, publish, start === startEsa ? 5000 : 20_000)));
    } finally {
      await provider.stop();
    }
  }
  printTable(['NOTIFY deliverProducts', 'notifications/s'], rows);
}

async function notifications(
  { name, root }: Provider,
  publish: (count: number) => void,
  count: number,
): Promise<(readonly (string | number)[])[]> {
  const session = createSession({
    transport: maltcpClient({ encoding: ENCODINGS['binary-fixed'] }),
    grammar: createGrammar(mpdRegistry),
  });
  const common = { session, area: mpdArea };
  const management = createConsumer({ ...common, service: OrderManagement, uri: `${root}/OrderManagement` });
  const delivery = createConsumer({
    ...common,
    service: ProductOrderDelivery,
    uri: `${root}/ProductOrderDelivery`,
    brokerUri: `${root}/ProductOrderDeliveryInternalBroker`,
  });
  await management.request(OrderManagement.operations.submitStandingOrder, {
    orderDetails: {
      orderID: null,
      user: 'jane',
      productFilter: { productType: 'fresh', domain: null, sources: null, attributeFilter: null },
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    },
  });
  const rows: (readonly (string | number)[])[] = [];
  for (const subscribers of [1, 10]) {
    const watched = await Promise.all(
      Array.from({ length: subscribers }, () =>
        delivery.subscribe(ProductOrderDelivery.operations.deliverProducts, {}),
      ),
    );
    const start = performance.now();
    publish(count);
    let seen = 0;
    await Promise.all(
      watched.map(async (updates) => {
        let mine = 0;
        for await (const _ of updates) {
          seen++;
          if (++mine === count) break;
        }
      }),
    );
    rows.push([
      `${name}, ${subscribers} subscriber${subscribers === 1 ? '' : 's'}`,
      (seen * 1000) / (performance.now() - start),
    ]);
  }
  await session.close();
  return rows;
}
