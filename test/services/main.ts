/**
 * `npm run services [-- NAME…]`: installs what is missing, starts the servers (all without a name), prints the environment that
 * tests and a `gateway.yaml` can use, and keeps them until Ctrl-C. `--no-install` only starts what is there.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { recipes, type ServiceName, serviceNames } from './catalogue.js';
import { service } from './service.js';
import type { Service } from './state.js';

const args = process.argv.slice(2);
const named = args.filter((arg) => !arg.startsWith('--'));
const unknown = named.filter((name) => !(serviceNames as readonly string[]).includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no such service: ${unknown.join(', ')}; there are ${serviceNames.join(', ')}\n`);
  process.exit(2);
}
const names = (named.length > 0 ? named : serviceNames) as readonly ServiceName[];
if (!args.includes('--no-install')) {
  const script = fileURLToPath(new URL('../../.ci/services', import.meta.url));
  const missing = names.filter((name) => recipes[name].missing() !== undefined);
  if (missing.length > 0) spawnSync(script, missing, { stdio: ['ignore', 2, 2] });
}

function withCredentials(of: Service): string {
  const url = new URL(of.url);
  url.username = of.username ?? '';
  url.password = of.password ?? '';
  if (of.folder) url.pathname = of.folder;
  if (of.hostKey) url.searchParams.set('hostKey', of.hostKey);
  return url.href;
}

let failed = false;
for (const name of names) {
  try {
    process.stdout.write(`export ${recipes[name].environment}='${withCredentials(await service(name))}'\n`);
  } catch (error) {
    failed = true;
    process.stdout.write(`# ${(error as Error).message.split('\n')[0]}\n`);
  }
}
process.stdout.write('# the servers run until this program ends (Ctrl-C)\n');
process.on('SIGINT', () => process.exit(failed ? 1 : 0));
process.on('SIGTERM', () => process.exit(failed ? 1 : 0));
setInterval(() => {}, 1 << 30);
