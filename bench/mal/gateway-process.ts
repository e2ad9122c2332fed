import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { testGateway } from '../../test/gateway.js';
import { HELD_PRODUCTS, heldProducts } from '../../test/interop/held-products.js';
import { product } from '../../test/interop/products.js';
import { ATTRIBUTES } from './products.js';

/**
 * A whole gateway in a process of its own, with products as ESA's `--bulk COUNT:TYPE:SIZE` makes them; prints its address. They are
 * held in memory, or after the word `archive` are files in a folder, and domain, of their own. Products of type `rich` have attributes.
 */

const archive = process.argv[2] === 'archive';
const held = heldProducts('bench');
const folder = mkdtempSync(join(tmpdir(), 'mpd-gateway-bench-'));

function add(count: number, type: string, size: number): void {
  if (archive) mkdirSync(join(folder, type));
  for (let i = 0; i < count; i++) {
    const body = new Uint8Array(size);
    if (archive) writeFileSync(join(folder, type, `${type}-${i}`), body);
    else {
      const attributes = type === 'rich' ? ATTRIBUTES : {};
      held.put(product(`${type}-${i}`, { domain: ['peer', 'bulk'], type, body, attributes }));
    }
  }
}

for (const spec of process.argv.slice(archive ? 3 : 2)) {
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
    backends: [
      archive
        ? { id: 'bench', kind: 'archive', domain: ['peer', 'bulk'], path: folder, domainFolders: 1, settle: '50ms' }
        : { id: 'bench', kind: 'module', module: HELD_PRODUCTS, domain: ['peer'] },
    ],
  },
});
process.stdout.write(`${gateway.urls.maltcp}\n`);

/**
 * `publish COUNT TYPE`: so many products, all at once. `delay`: prints the longest pause of the event loop since it was asked last, by
 * the clock and in processor time of the whole process, in ms: on a machine that does other work too, the clock tells of that as well.
 */
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let turn = process.cpuUsage();
let longest = 0;
let watching = false;
function watch(): void {
  const { user, system } = process.cpuUsage(turn);
  longest = Math.max(longest, user + system);
  turn = process.cpuUsage();
  setImmediate(watch);
}
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [command, count, type] = line.split(' ');
  if (command === 'publish') add(Number(count), type!, 3);
  if (command !== 'delay') return;
  if (!watching) watch();
  watching = true;
  process.stdout.write(`${delay.max / 1e6} ${longest / 1000}\n`);
  delay.reset();
  longest = 0;
});
lines.on('close', async () => {
  await gateway.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
