import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Product } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { freePort } from './free-port.js';
import { HELD_PRODUCTS, heldProducts } from './held-products.js';
import { startMemoryProvider } from './memory-provider.js';
import type { Row } from './rows.js';

/** What ESA's consumer is tested against: a whole gateway, or the wire alone with a provider that keeps everything in memory. */
export interface ConsumerHost {
  readonly root: string;
  put(product: Product): void;
  /** A place that files can be delivered to. */
  target(folder: string): string;
  /** Of getProducts, bytes. */
  readonly limit: number;
  /** Ends and comes back at the same address, with the products; whether orders are kept is told. */
  restart(): Promise<void>;
  readonly keepsOrders: boolean;
  close(): Promise<void>;
}

export const RESULTS = 10_000;

export async function consumerHost(row: Row, products: readonly Product[]): Promise<ConsumerHost> {
  return row.provider === 'our gateway' ? gatewayHost(row, products) : wireHost(row, products);
}

async function wireHost({ transport, mode }: Row, products: readonly Product[]): Promise<ConsumerHost> {
  const port = await freePort();
  const start = () =>
    startMemoryProvider({
      ...{ transport, port, limit: RESULTS, products },
      mode: mode === 'no-response' ? 'no-response' : 'request-response',
    });
  let provider = await start();
  return {
    root: provider.rootUri,
    put: (product) => provider.put(product),
    target: (folder) => `file:///reachable/${folder}`,
    limit: Number.POSITIVE_INFINITY,
    keepsOrders: false,
    async restart() {
      await provider.close();
      provider = await start();
    },
    close: () => provider.close(),
  };
}

async function gatewayHost({ transport, mode }: Row, products: readonly Product[]): Promise<ConsumerHost> {
  const id = `held-${randomUUID()}`;
  const held = heldProducts(id);
  for (const product of products) held.put(product);
  const port = await freePort();
  const config = {
    listen: {
      http: { enabled: false },
      [transport]: { port, ...(mode === 'no-response' && { mode: 'no-response' }) },
    },
    limits: { mal: { maxBody: '32MiB' } },
    access: {
      principals: [{ id: 'operator', role: 'operator' }, { id: 'esa' }],
      mal: [{ cidr: '127.0.0.1/32', principal: 'esa', user: 'asserted' }],
    },
    backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
  };
  const first = await testGateway({ config });
  let gateway: TestGateway = first;
  return {
    root: `${transport}://127.0.0.1:${port}`,
    put: (product) => held.put(product),
    target(folder) {
      mkdirSync(join(first.delivered, folder), { recursive: true });
      return `file://${join(first.delivered, folder)}`;
    },
    limit: 32 * 1024 * 1024,
    keepsOrders: true,
    async restart() {
      await gateway.stop();
      gateway = await testGateway({ config, share: first });
    },
    async close() {
      if (gateway !== first) await gateway.close();
      else await gateway.stop();
      await first.close();
    },
  };
}
