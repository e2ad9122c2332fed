import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type Consumer,
  createConsumer,
  createGrammar,
  createSession,
  ENCODINGS,
  maltcpClient,
  type Session,
} from '../../src/mal/index.js';
import { mpdArea, mpdRegistry, OrderManagement, ProductOrderDelivery, ProductRetrieval } from '../../src/mpd/index.js';
import { buildJava, startPeer } from '../../test/interop/java-peer.js';

/**
 * maltcp, side by side: ESA's Java provider and ours, same products in memory, driven by ESA's Java consumer and then by ours, over
 * one connection.
 *
 *     npx tsx bench/mal/main.ts [seconds per measurement]
 */

const SECONDS = Number(process.argv[2] ?? 2);
const BULK = ['10:ten:0', '1000:thousand:0', '10:small:1000', '10:large:1048576'];
const NO_FILTER = { productType: null, domain: null, sources: null, attributeFilter: null };
const { listProducts, getProducts } = ProductRetrieval.operations;

interface Peer {
  readonly name: string;
  readonly root: string;
  readonly child: ChildProcessWithoutNullStreams;
  /** Publishes products of type `fresh` to all orders. */
  publish(count: number, size: number): void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const firstLine = (child: ChildProcessWithoutNullStreams): Promise<string> =>
  new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.once('line', resolve);
    child.once('exit', () => reject(new Error('the provider ended')));
    child.stderr.pipe(process.stderr);
  });

async function startOurs(): Promise<Peer> {
  const file = fileURLToPath(new URL('./provider.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...BULK]);
  const root = await firstLine(child);
  return { name: 'ours', root, child, publish: (count, size) => child.stdin.write(`publish ${count} ${size}\n`) };
}

async function startEsa(): Promise<Peer> {
  const port = await freePort();
  const bulk = BULK.flatMap((spec) => ['--bulk', spec]);
  const child = spawn('java', [
    '-Xmx1g',
    '-cp',
    await buildJava(),
    'mpdpeer.EsaProvider',
    '--port',
    String(port),
    '--limit',
    '100000',
    ...bulk,
  ]);
  await firstLine(child);
  child.stdout.resume();
  return {
    name: 'ESA 12.2',
    root: `maltcp://127.0.0.1:${port}`,
    child,
    publish: (count, size) => {
      for (let i = 0; i < count; i++) child.stdin.write(`put peer.bulk:fresh:1 --type fresh --size ${size}\n`);
    },
  };
}

function consumers({ root }: Peer): {
  session: Session;
  retrieval: Consumer;
  management: Consumer;
  delivery: Consumer;
} {
  const session = createSession({
    transport: maltcpClient({ encoding: ENCODINGS['binary-fixed'] }),
    grammar: createGrammar(mpdRegistry),
  });
  const common = { session, area: mpdArea };
  return {
    session,
    retrieval: createConsumer({ ...common, service: ProductRetrieval, uri: `${root}/ProductRetrieval` }),
    management: createConsumer({ ...common, service: OrderManagement, uri: `${root}/OrderManagement` }),
    delivery: createConsumer({
      ...common,
      service: ProductOrderDelivery,
      uri: `${root}/ProductOrderDelivery`,
      brokerUri: `${root}/ProductOrderDeliveryInternalBroker`,
    }),
  };
}

/** Requests per second with so many in flight. */
async function rate(seconds: number, inFlight: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  const end = start + seconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < end) {
        await call();
        done++;
      }
    }),
  );
  return (done * 1000) / (performance.now() - start);
}

interface Row {
  readonly measurement: string;
  readonly value: string;
}

async function measure(peer: Peer): Promise<Row[]> {
  const { session, retrieval, management, delivery } = consumers(peer);
  const rows: Row[] = [];
  const list = (productType: string) => (): Promise<unknown> =>
    retrieval.request(listProducts, {
      productFilter: { ...NO_FILTER, productType },
      creationDate: null,
      contentDate: null,
    });
  for (const [type, count] of [
    ['none', 0],
    ['ten', 10],
    ['thousand', 1000],
  ] as const) {
    for (const inFlight of [1, 8, 32]) {
      await rate(SECONDS / 2, inFlight, list(type));
      const value = await rate(SECONDS, inFlight, list(type));
      rows.push({
        measurement: `listProducts, ${count} results, ${inFlight} in flight`,
        value: `${value.toFixed(0)}/s`,
      });
    }
  }
  for (const type of ['small', 'large']) {
    const productRefs = Array.from({ length: 10 }, (_, i) => ({
      domain: ['peer', 'bulk'],
      type: 'Product',
      key: `${type}-${i}`,
      version: 1,
    }));
    const firsts: number[] = [];
    const totals: number[] = [];
    let bytes = 0;
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end || totals.length < 20) {
      const start = performance.now();
      const { updates } = await retrieval.progress(getProducts, { productRefs });
      let first = 0;
      for await (const { product } of updates) {
        first ||= performance.now() - start;
        bytes += product.productBody.length;
      }
      firsts.push(first);
      totals.push(performance.now() - start);
    }
    const at = (values: number[], share: number): string =>
      values.sort((a, b) => a - b)[Math.floor(values.length * share)]!.toFixed(2);
    const rateText = ((bytes / 1e6 / totals.reduce((sum, ms) => sum + ms, 0)) * 1000).toFixed(0);
    rows.push({
      measurement: `getProducts, 10 x ${type === 'small' ? '1 kB' : '1 MiB'}`,
      value: `first ${at(firsts, 0.5)} ms (p99 ${at(firsts, 0.99)}), all ${at(totals, 0.5)} ms, ${rateText} MB/s`,
    });
  }
  await management.request(OrderManagement.operations.submitStandingOrder, {
    orderDetails: {
      orderID: null,
      user: 'jane',
      productFilter: { ...NO_FILTER, productType: 'fresh' },
      validityPeriod: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
    },
  });
  for (const subscribers of [1, 10]) {
    const count = peer.name === 'ours' ? 20_000 : 5000;
    const watched = await Promise.all(
      Array.from({ length: subscribers }, () =>
        delivery.subscribe(ProductOrderDelivery.operations.deliverProducts, {}),
      ),
    );
    const start = performance.now();
    peer.publish(count, 100);
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
    const value = (seen * 1000) / (performance.now() - start);
    rows.push({ measurement: `NOTIFY deliverProducts, ${subscribers} subscriber(s)`, value: `${value.toFixed(0)}/s` });
  }
  await session.close();
  return rows;
}

/** The same, driven by ESA's consumer. */
async function measureByEsa(peer: Peer): Promise<Row[]> {
  const consumer = await startPeer('EsaConsumer', ['--base', `${peer.root}/`], ['end']);
  const run = async (line: string): Promise<Readonly<Record<string, unknown>>> =>
    (await consumer.command(line)).find(({ event }) => event === 'result') ?? {};
  const rows: Row[] = [];
  for (const [type, count] of [
    ['none', 0],
    ['ten', 10],
    ['thousand', 1000],
  ] as const) {
    for (const inFlight of [1, 8, 32]) {
      const line = `bench-list --type ${type} --in-flight ${inFlight} --seconds`;
      await run(`${line} ${SECONDS / 2}`);
      const { rate: perSecond, failed } = await run(`${line} ${SECONDS}`);
      const value = `${Number(perSecond).toFixed(0)}/s${failed === 0 ? '' : `, ${failed} failed`}`;
      rows.push({ measurement: `Java: listProducts, ${count} results, ${inFlight} in flight`, value });
    }
  }
  for (const type of ['small', 'large']) {
    const refs = Array.from({ length: 10 }, (_, i) => `peer.bulk:${type}-${i}:1`).join(' ');
    const { first, total } = await run(`bench-get ${refs} --seconds ${SECONDS}`);
    const value = `first ${Number(first).toFixed(2)} ms, all ${Number(total).toFixed(2)} ms`;
    rows.push({ measurement: `Java: getProducts, 10 x ${type === 'small' ? '1 kB' : '1 MiB'}`, value });
  }
  await consumer.stop();
  return rows;
}

const table = new Map<string, string[]>();
const peers: string[] = [];
for (const start of [startEsa, startOurs]) {
  const peer = await start();
  peers.push(peer.name);
  for (const { measurement, value } of [...(await measureByEsa(peer)), ...(await measure(peer))]) {
    table.set(measurement, [...(table.get(measurement) ?? []), value]);
  }
  peer.child.kill();
}
console.log(['maltcp fixed, provider:', ...peers].join(' | '));
for (const [measurement, values] of table) console.log([measurement, ...values].join(' | '));
process.exit(0);
