/** A gateway in a process of its own, to be killed: `gateway.yaml` in argv, one line on standard output when it runs. */
import { pino } from 'pino';
import { loadConfig } from '../../src/config/index.js';
import { startGateway } from '../../src/main.js';

const [file = ''] = process.argv.slice(2);
const { config } = loadConfig({ file });
await startGateway(config, { log: pino({ level: process.env.MPD_TEST_LOG ?? 'warn' }, process.stderr) });
process.stdout.write('running\n');
