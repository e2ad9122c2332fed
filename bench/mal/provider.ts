import { ENCODINGS } from '../../src/mal/index.js';
import { startMemoryProvider } from '../../test/interop/memory-provider.js';
import { product } from '../../test/interop/products.js';

/** Our provider as a process of its own, with the products that ESA's `--bulk COUNT:TYPE:SIZE` makes; prints its address. */

const bulk = process.argv.slice(2).flatMap((spec) => {
  const [count, type, size] = spec.split(':');
  const body = new Uint8Array(Number(size));
  return Array.from({ length: Number(count) }, (_, i) =>
    product(`${type}-${i}`, {
      domain: ['peer', 'bulk'],
      type: type!,
      created: '2031-04-01T00:00:00Z',
      content: ['2031-04-01T00:00:00Z', '2031-04-01T01:00:00Z'],
      body,
    }),
  );
});
const provider = await startMemoryProvider({ products: bulk, limit: 100_000, encodings: Object.values(ENCODINGS) });
process.stdout.write(`${provider.rootUri}\n`);

/** `publish COUNT SIZE`: products of type `fresh`, as fast as they go out. */
process.stdin.on('data', async (chunk: Buffer) => {
  const [command, count, size] = chunk.toString().trim().split(' ');
  if (command !== 'publish') return;
  const fresh = product('fresh', { type: 'fresh', body: new Uint8Array(Number(size)) });
  for (let i = 0; i < Number(count); i++) {
    provider.put(fresh);
    if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
});
process.stdin.on('end', () => process.exit(0));
