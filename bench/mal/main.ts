import { loadavg } from 'node:os';
import { runBuilt } from '../built.js';
import { codecBench } from './codec.js';
import { notifyBench } from './notify.js';
import { pauseBench } from './pauses.js';
import { type Provider, startArchive, startEsa, startGateway, startStack } from './providers.js';
import { requestBench } from './requests.js';

/**
 * maltcp, side by side: ESA's Java provider and ours, same products in memory, driven by ESA's Java consumer and by ours.
 *
 *     npx tsx bench/mal/main.ts [requests|archive|codec|notify|pauses …] [seconds per measurement]
 */

runBuilt(import.meta.filename);
const SECONDS = Number(process.argv.slice(2).find((word) => Number(word) > 0) ?? 1);
const asked = process.argv.slice(2).filter((word) => !(Number(word) > 0));

async function withProviders(
  starts: readonly (() => Promise<Provider>)[],
  work: (providers: readonly Provider[]) => Promise<void>,
): Promise<void> {
  const providers: Provider[] = [];
  try {
    for (const start of starts) providers.push(await start());
    await work(providers);
  } finally {
    for (const provider of providers) await provider.stop();
  }
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  /** The same products in the memory of each. */
  requests: () => withProviders([startEsa, startGateway, startStack], (all) => requestBench(all, SECONDS)),
  /** The gateway with them in memory, and as files found by an index in PostgreSQL. */
  archive: () => withProviders([startGateway, startArchive], (all) => requestBench(all, SECONDS, ['our consumer'])),
  codec: codecBench,
  notify: notifyBench,
  pauses: pauseBench,
};

for (const name of asked.length > 0 ? asked : Object.keys(PARTS)) {
  if (!Object.hasOwn(PARTS, name)) throw new Error(`there is no part ${name}: ${Object.keys(PARTS).join(', ')}`);
  console.log(`\n${name}; load of the machine ${loadavg()[0]!.toFixed(1)}`);
  await PARTS[name]!();
}
console.log(`\nload of the machine ${loadavg()[0]!.toFixed(1)}`);
process.exit(0);
