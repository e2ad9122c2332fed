import { connect, type MalClient } from '../../src/client/index.js';
import { javaMissing } from '../../test/interop/java-peer.js';
import { printTable, timed } from '../table.js';
import { startEsa, startGateway } from './providers.js';
import { requestBench } from './requests.js';

/**
 * A whole gateway over maltcp, PostgreSQL below it, in a process of its own: requests beside ESA's Java provider, both with their
 * products in memory, and the way of new products from the backend through journal, ledger and event log to 1 and 10 subscribers.
 */
export async function malGatewayBench(): Promise<void> {
  const missing = await javaMissing();
  if (missing !== null) console.log(`without ESA's provider: ${missing}`);
  const esa = missing === null ? await startEsa() : null;
  const gateway = await startGateway();
  const clients: MalClient[] = [];
  const open = (): MalClient => {
    const client = connect(`${gateway.root}/` as `maltcp://${string}`);
    clients.push(client);
    return client;
  };
  try {
    await requestBench(esa === null ? [gateway] : [esa, gateway], SECONDS, ['our consumer']);
    const heard: (readonly (string | number)[])[] = [];
    const publish = (count: number, type: string): void => gateway.tell(`publish ${count} ${type}`);
    for (const subscribers of [1, 10]) heard.push(await publications(open(), open, publish, subscribers));
    printTable(['new products to subscribers', 'products/s', 'notifications/s'], heard);
  } finally {
    for (const client of clients) await client.close();
    await gateway.stop();
    await esa?.stop();
  }
}

const SECONDS = 1;

const typed = (productType: string) => ({ productType, domain: null, sources: null, attributeFilter: null });

async function publications(
  client: MalClient,
  open: () => MalClient,
  publish: (count: number, type: string) => void,
  subscribers: number,
): Promise<readonly (string | number)[]> {
  const type = `fresh-${subscribers}`;
  const orderID = await client.submitStandingOrder({
    ...{ orderID: null, user: 'bench', validityPeriod: null, deliverTo: null, comments: null },
    ...{ productFilter: typed(type), deliveryMethod: 'SERVICE_JUST_METADATA' as const },
  });
  const count = 10_000;
  const heard = await Promise.all(
    Array.from({ length: subscribers }, async () => {
      const products = await open().watchProducts({ orderID });
      return async () => {
        let seen = 0;
        for await (const _ of products) if (++seen === count) return;
      };
    }),
  );
  const { seconds } = await timed(async () => {
    const all = Promise.all(heard.map((listen) => listen()));
    publish(count, type);
    await all;
  });
  await client.cancelStandingOrder(orderID);
  return [`${subscribers} subscriber${subscribers === 1 ? '' : 's'}`, count / seconds, (count * subscribers) / seconds];
}
