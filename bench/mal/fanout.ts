import { fileURLToPath } from 'node:url';
import {
  type Consumer,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  maltcpClient,
} from '../../src/mal/index.js';
import { mpdArea, mpdRegistry, OrderManagement, ProductOrderDelivery } from '../../src/mpd/index.js';
import { javaMissing } from '../../test/interop/java-peer.js';
import { runBuilt } from '../built.js';
import { printTable } from '../table.js';
import { type Provider, startEsa, startOurs } from './providers.js';

/**
 * From events that are there already to subscribers, each with a connection of its own: a whole gateway that reads its event log in
 * PostgreSQL, and ESA's provider, told to publish what it has in memory, in one run and by turns. Processor time is that of the
 * provider's process.
 *
 *     npx tsx bench/mal/fanout.ts [notifications to each subscriber]
 */
const COUNT = Number(process.argv[2] ?? 20_000);
const ROUNDS = 2;
const { notifyProductDelivery, deliverProducts } = ProductOrderDelivery.operations;

const KINDS = [
  { name: 'deliverProducts, metadata only', method: 'SERVICE_JUST_METADATA', size: 0, operation: deliverProducts },
  { name: 'deliverProducts, bodies of 1 kB', method: 'SERVICE_COMPLETE', size: 1000, operation: deliverProducts },
  { name: 'notifyProductDelivery', method: 'FILETRANSFER', size: 0, operation: notifyProductDelivery },
] as const;
type Kind = (typeof KINDS)[number];

interface Source {
  readonly name: string;
  readonly provider: Provider;
  /** Where subscribers go, and the order they hear of. */
  open(): Promise<string>;
  go(): void;
  close(): Promise<void>;
}

const consumerOf = (root: string, close: (() => Promise<void>)[]): ((service: 'orders' | 'delivery') => Consumer) => {
  const session = createSession({
    transport: maltcpClient({ encoding: ENCODINGS['binary-fixed'] }),
    grammar: createGrammar(mpdRegistry),
  });
  close.push(() => session.close());
  return (service) =>
    service === 'orders'
      ? createConsumer({ session, area: mpdArea, service: OrderManagement, uri: `${root}/OrderManagement` })
      : createConsumer({
          ...{ session, area: mpdArea, service: ProductOrderDelivery, uri: `${root}/ProductOrderDelivery` },
          brokerUri: `${root}/ProductOrderDeliveryInternalBroker`,
        });
};

async function gatewaySource({ method, size }: Kind): Promise<Source> {
  const provider = await startOurs('gateway', 'fanout-process.js', [method, String(COUNT), String(size)]);
  return {
    ...{ name: 'gateway', provider },
    async open() {
      provider.tell('open');
      return provider.line();
    },
    go: () => provider.tell('go'),
    async close() {
      provider.tell('close');
      await provider.line();
    },
  };
}

/** For metadata alone its products have empty bodies: of orders for metadata alone it tells nothing. */
async function esaSource({ size }: Kind): Promise<Source> {
  const provider = await startEsa();
  const close: (() => Promise<void>)[] = [];
  await consumerOf(
    provider.root,
    close,
  )('orders').request(OrderManagement.operations.submitStandingOrder, {
    orderDetails: {
      ...{ orderID: null, user: 'jane', validityPeriod: null, deliverTo: null, comments: null },
      productFilter: { productType: 'fresh', domain: null, sources: null, attributeFilter: null },
      deliveryMethod: 'SERVICE_COMPLETE',
    },
  });
  for (const each of close) await each();
  return {
    ...{ name: 'ESA 12.2', provider },
    open: async () => provider.root,
    go() {
      for (let i = 0; i < COUNT; i++) provider.tell(`put peer.bulk:fresh-${i}:1 --type fresh --size ${size}`);
    },
    close: async () => {},
  };
}

/** Seconds from the word to go until each subscriber has heard everything, and of them the provider's own processor time. */
async function measure(
  source: Source,
  { operation }: Kind,
  subscribers: number,
): Promise<{ seconds: number; cpu: number }> {
  const root = await source.open();
  const close: (() => Promise<void>)[] = [];
  const watched = await Promise.all(
    Array.from({ length: subscribers }, () =>
      consumerOf(root, close)('delivery').subscribe(operation as typeof deliverProducts, {}),
    ),
  );
  const cpu = source.provider.cpu();
  const start = performance.now();
  source.go();
  await Promise.all(
    watched.map(async (updates) => {
      let heard = 0;
      for await (const _ of updates) if (++heard === COUNT) return;
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const used = (source.provider.cpu() - cpu) / 1e6;
  for (const each of close) await each();
  await source.close();
  return { seconds, cpu: used };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

export async function fanoutBench(): Promise<void> {
  const missing = await javaMissing();
  if (missing !== null) console.log(`without ESA's provider: ${missing}`);
  const rows: (readonly (string | number)[])[] = [];
  for (const kind of KINDS) {
    const starts = [gatewaySource, ...(missing === null && kind.method !== 'FILETRANSFER' ? [esaSource] : [])];
    const sources = await Promise.all(starts.map((start) => start(kind)));
    try {
      for (const subscribers of [1, 10]) {
        const rates = new Map<string, number[]>();
        const costs = new Map<string, number[]>();
        for (let round = 0; round <= ROUNDS; round++)
          for (const source of sources) {
            const { seconds, cpu } = await measure(source, kind, subscribers);
            if (round === 0) continue;
            rates.set(source.name, [...(rates.get(source.name) ?? []), (COUNT * subscribers) / seconds]);
            costs.set(source.name, [...(costs.get(source.name) ?? []), (cpu * 1e6) / (COUNT * subscribers)]);
          }
        const of = (values: Map<string, number[]>, name: string) =>
          values.has(name) ? median(values.get(name)!) : '–';
        const [ours, theirs] = [of(rates, 'gateway'), of(rates, 'ESA 12.2')];
        rows.push([
          `${kind.name}, ${subscribers} subscriber${subscribers === 1 ? '' : 's'}`,
          ...[ours, theirs, typeof ours === 'number' && typeof theirs === 'number' ? ours / theirs : '–'],
          ...[of(costs, 'gateway'), of(costs, 'ESA 12.2')],
        ]);
      }
    } finally {
      for (const { provider } of sources) await provider.stop();
    }
  }
  printTable(['notifications/s', 'gateway', 'ESA 12.2', 'ratio', 'gateway, CPU µs', 'ESA, CPU µs'], rows);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runBuilt(import.meta.filename);
  await fanoutBench();
  process.exit(0);
}
