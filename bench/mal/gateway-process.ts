import { createInterface } from 'node:readline';
import { testGateway } from '../../test/gateway.js';
import { HELD_PRODUCTS, heldProducts } from '../../test/interop/held-products.js';
import { product } from '../../test/interop/products.js';

/** A whole gateway in a process of its own, with products as ESA's `--bulk COUNT:TYPE:SIZE` makes them; prints its address. */

const held = heldProducts('bench');
const add = (count: number, type: string, size: number): void => {
  for (let i = 0; i < count; i++) {
    held.put(product(`${type}-${i}`, { domain: ['peer', 'bulk'], type, body: new Uint8Array(size) }));
  }
};
for (const spec of process.argv.slice(2)) {
  const [count, type, size] = spec.split(':');
  add(Number(count), type!, Number(size));
}
const gateway = await testGateway({
  config: {
    listen: { http: { enabled: false }, maltcp: { port: 0 } },
    access: {
      principals: [{ id: 'operator', role: 'operator' }, { id: 'bench' }],
      mal: [{ cidr: '127.0.0.1/32', principal: 'bench', user: 'asserted' }],
    },
    backends: [{ id: 'bench', kind: 'module', module: HELD_PRODUCTS, domain: ['peer'] }],
  },
});
process.stdout.write(`${gateway.urls.maltcp}\n`);

/** `publish COUNT TYPE`: so many products, all at once. */
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [, count, type] = line.split(' ');
  add(Number(count), type!, 3);
});
lines.on('close', async () => {
  await gateway.close();
  process.exit(0);
});
