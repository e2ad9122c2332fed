import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect, type MalClient } from '../../src/client/index.js';
import type { ObjectRef } from '../../src/mal/index.js';
import { javaMissing, startPeer } from '../../test/interop/java-peer.js';
import { printTable, timed } from '../table.js';

interface Provider {
  readonly name: string;
  readonly url: string;
  /** So many new products of a type; absent where the bench does not measure it. */
  publish?(count: number, type: string): void;
  stop(): Promise<void>;
}

const BULK = ['10:ten:0', '1000:thousand:0', '10:small:1000', '10:large:1048576'];

/**
 * A whole gateway over maltcp, PostgreSQL below it, and ESA's Java provider, which keeps its products in memory, each in a process
 * of its own and driven by our client: lists of 0, 10 and 1 000 entries, getProducts; of the gateway also the way of new products
 * from the backend through journal, ledger and event log to 1 and 10 subscribers.
 */
export async function malGatewayBench(): Promise<void> {
  const missing = await javaMissing();
  if (missing !== null) console.log(`without ESA's provider: ${missing}`);
  const starts = [startGateway, ...(missing === null ? [startEsa] : [])];
  const listed: (readonly (string | number)[])[] = [];
  const got: (readonly (string | number)[])[] = [];
  const heard: (readonly (string | number)[])[] = [];
  for (const start of starts) {
    const provider = await start();
    const clients: MalClient[] = [];
    const open = (): MalClient => {
      const client = connect(`${provider.url}/` as `maltcp://${string}`);
      clients.push(client);
      return client;
    };
    try {
      const client = open();
      listed.push(...(await lists(client)).map(([what, ...rates]) => [`${what}, ${provider.name}`, ...rates]));
      got.push([`10 × 1 kB, ${provider.name}`, ...(await gets(client, 'small', 200))]);
      got.push([`10 × 1 MiB, ${provider.name}`, ...(await gets(client, 'large', 20))]);
      const { publish } = provider;
      if (publish === undefined) continue;
      for (const subscribers of [1, 10]) heard.push(await publications(open(), open, publish, subscribers));
    } finally {
      for (const client of clients) await client.close();
      await provider.stop();
    }
  }
  printTable(['lists', '1 in flight, /s', '8', '32'], listed);
  printTable(['getProducts', 'first update, ms', 'p99', 'all, ms', 'MB/s'], got);
  printTable(['new products to subscribers', 'products/s', 'notifications/s'], heard);
}

async function startGateway(): Promise<Provider> {
  const file = fileURLToPath(new URL('./gateway-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...BULK], { stdio: ['pipe', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', () => reject(new Error('the gateway ended')));
  });
  return {
    name: 'gateway',
    url,
    publish: (count, type) => child.stdin.write(`publish ${count} ${type}\n`),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await ended;
    },
  };
}

async function startEsa(): Promise<Provider> {
  const bulk = BULK.flatMap((spec) => ['--bulk', spec]);
  const peer = await startPeer('EsaProvider', ['--limit', '100000', '--empty', ...bulk], ['done']);
  const ready = await peer.waitFor(({ event }) => event === 'ready');
  const { uri } = (ready.services as { ProductRetrieval: { uri: string } }).ProductRetrieval;
  return { name: 'ESA 12.2', url: uri.replace(/\/[^/]*$/, ''), stop: () => peer.stop() };
}

const typed = (productType: string) => ({ productType, domain: null, sources: null, attributeFilter: null });
const SECONDS = 2;

async function lists(client: MalClient): Promise<(readonly (string | number)[])[]> {
  const one = async (type: string): Promise<number> => {
    let count = 0;
    for await (const _ of client.listProducts({ productFilter: typed(type) })) count++;
    return count;
  };
  const rows: (readonly (string | number)[])[] = [];
  for (const [type, count] of [
    ['none', 0],
    ['ten', 10],
    ['thousand', 1000],
  ] as const) {
    const rates: number[] = [];
    for (const inFlight of [1, 8, 32]) {
      let done = 0;
      const end = performance.now() + SECONDS * 1000;
      const { seconds } = await timed(() =>
        Promise.all(
          Array.from({ length: inFlight }, async () => {
            while (performance.now() < end) {
              if ((await one(type)) !== count) throw new Error(`not ${count} entries of ${type}`);
              done++;
            }
          }),
        ),
      );
      rates.push(done / seconds);
    }
    rows.push([`${count} entries`, ...rates]);
  }
  return rows;
}

async function gets(client: MalClient, type: string, rounds: number): Promise<number[]> {
  const refs = Array.from(
    { length: 10 },
    (_, i): ObjectRef => ({ domain: ['peer', 'bulk'], type: 'Product', key: `${type}-${i}`, version: 1 }),
  );
  const firsts: number[] = [];
  const totals: number[] = [];
  let bytes = 0;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    let first: number | null = null;
    for await (const { productBody } of client.getProducts(refs)) {
      first ??= performance.now() - start;
      bytes += productBody.length;
    }
    firsts.push(first!);
    totals.push(performance.now() - start);
  }
  const all = totals.reduce((sum, ms) => sum + ms, 0);
  return [quantile(firsts, 0.5), quantile(firsts, 0.99), quantile(totals, 0.5), bytes / 1000 / all];
}

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

const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]!;
