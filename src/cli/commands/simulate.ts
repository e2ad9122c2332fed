import { type Command, Option } from 'commander';
import { usage } from '../exit-codes.js';
import { collect, count, portNumber } from '../input/arguments.js';
import type { Local, Runner } from '../runner.js';
import { untilAborted } from './serve.js';

interface EddsOptions {
  readonly host: string;
  readonly port: number;
  readonly folder?: string;
  readonly seed?: number;
  readonly shape: 'standard' | 'alternative';
  readonly deliverBelow?: readonly string[];
}

interface DataDriveOptions {
  readonly search: string;
  readonly s3: string;
  readonly host: string;
  readonly port: number;
  readonly prefix?: string;
  readonly load?: readonly string[];
}

export function simulateCommands(program: Command, { local }: Runner): void {
  const simulate = program
    .command('simulate')
    .description('Stand-ins for the agencies’ systems, with invented data, for trying things out.');

  local<EddsOptions>(
    simulate
      .command('edds')
      .description('A SOAP service in the manner of EDDS.')
      .option('--host <address>', 'address to bind', '127.0.0.1')
      .option('--port <port>', 'TCP port; 0 = any free one', portNumber, 0)
      .option('--folder <path>', 'keep its state here (default: temporary)')
      .option('--seed <n>', 'of the invented data; used with a new state only', count)
      .addOption(
        new Option('--shape <name>', 'the contract of the documentation, or of a site that does all differently')
          .choices(['standard', 'alternative'])
          .default('standard'),
      )
      .option('--deliver-below <path>', 'FILE deliveries may write below this folder; more than once', collect),
    [
      'mpd-gateway simulate edds --port 8090',
      'mpd-gateway simulate edds --shape alternative --deliver-below ./edds-out',
    ],
    async (tools, { host, port, folder, seed, shape, deliverBelow }) => {
      const { startEddsSimulator } = await import('../../../simulators/edds/index.js');
      const simulator = await startEddsSimulator({
        host,
        port,
        shape,
        ...(folder === undefined ? {} : { folder }),
        ...(seed === undefined ? {} : { seed }),
        ...(deliverBelow === undefined ? {} : { fileRoots: deliverBelow }),
        onError: (error) => void tools.out.note(String(error)),
      });
      const { wsdlUrl, url, controlUrl, users, domains, span } = simulator;
      await ready(tools, { simulator: 'edds', url, wsdlUrl, controlUrl, users, domains, span });
      await simulator.stop();
    },
  );

  local<DataDriveOptions>(
    simulate
      .command('datadrive')
      .description(
        'Index, objects and change feed in the manner of DataDrive, on a search server and an object store of yours.',
      )
      .requiredOption('--search <url>', 'Elasticsearch 7.17 or 8, or OpenSearch 2, without login')
      .requiredOption('--s3 <url>', 'S3 endpoint; keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
      .option('--host <address>', 'address to bind', '127.0.0.1')
      .option('--port <port>', 'TCP port; 0 = any free one', portNumber, 0)
      .option('--prefix <text>', 'put before every index and bucket name')
      .option('--load <folder>', 'put the files of this folder into it; more than once, in order', collect),
    ['mpd-gateway simulate datadrive --search http://127.0.0.1:9200 --s3 http://127.0.0.1:9000 --load ./release-1'],
    async (tools, options) => {
      const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = tools.context.env;
      if (!accessKeyId || !secretAccessKey)
        throw usage('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set for --s3');
      const { startDataDriveSimulator } = await import('../../../simulators/datadrive/index.js');
      const simulator = await startDataDriveSimulator({
        search: { url: options.search },
        s3: { endpoint: options.s3, accessKeyId, secretAccessKey },
        ...{ host: options.host, port: options.port },
        ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      });
      for (const folder of options.load ?? []) {
        const loaded = await simulator.load(folder);
        await tools.out.note(`${folder}: ${loaded.new} new, ${loaded.updated} updated, ${loaded.touched} touched`);
      }
      const { url, websocketUrl, searchUrl, controlUrl, buckets } = simulator;
      await ready(tools, { simulator: 'datadrive', url, websocketUrl, searchUrl, controlUrl, buckets });
      await simulator.stop();
    },
  );
}

/** Says where it is and waits for Ctrl-C. */
async function ready({ out, signal }: Local, facts: Readonly<Record<string, unknown>>): Promise<void> {
  if (out.json) await out.value({ event: 'ready', ...facts });
  else
    for (const [name, value] of Object.entries(facts))
      await out.say(`${name.padEnd(14)}${typeof value === 'string' ? value : JSON.stringify(value)}`);
  await untilAborted(signal);
}
