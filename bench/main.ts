import { runBuilt } from './built.js';
import { archiveBench } from './core/archive.js';
import { deliveryBench } from './core/delivery.js';
import { journalBench } from './core/journal.js';
import { malGatewayBench } from './mal/gateway.js';

/** `npm run bench [-- name …]`: each prints a table with ratios measured in one run. */
const benches: Readonly<Record<string, () => Promise<void>>> = {
  journal: journalBench,
  archive: archiveBench,
  delivery: deliveryBench,
  'mal-gateway': malGatewayBench,
};

runBuilt(import.meta.filename);
const asked = process.argv.slice(2);
for (const name of asked) {
  if (!Object.hasOwn(benches, name)) {
    console.error(`there is no bench ${name}; benches: ${Object.keys(benches).join(', ')}`);
    process.exit(2);
  }
}
for (const name of asked.length > 0 ? asked : Object.keys(benches)) await benches[name]!();
process.exit(0);
