import { type Command, Option } from 'commander';
import { type DemoOptions, runDemo } from '../demo/demo.js';
import { duration, portNumber } from '../input/arguments.js';
import type { Runner } from '../runner.js';

interface Flags {
  readonly dir?: string;
  readonly data?: string;
  readonly once?: boolean;
  readonly port: number;
  readonly every: number;
  readonly timeout: number;
  readonly logLevel: DemoOptions['logLevel'];
}

export function demoCommand(program: Command, { local }: Runner): void {
  local<Flags>(
    program
      .command('demo')
      .description(
        'Everything at once: database, archive, a source of telemetry, a stand-in for EDDS, orders, deliveries verified before your eyes.',
      )
      .option('--dir <path>', 'serve this folder of yours instead of made-up telemetry')
      .option('--data <path>', 'keep database and deliveries here (default: a temporary folder)')
      .option('--once', 'end after the first verified delivery of each order')
      .option('--port <port>', 'HTTP port; another free one when it is taken', portNumber, 8080)
      .option('--every <duration>', 'a telemetry file so often', duration, 1000)
      .option('--timeout <duration>', 'with --once: give up after', duration, 120_000)
      .addOption(
        new Option('--log-level <level>', 'least level of the gateway’s own log')
          .choices(['debug', 'info', 'warn', 'error', 'silent'])
          .default('warn'),
      ),
    ['mpd-gateway demo', 'mpd-gateway demo --dir ~/products --data ./mpd-data', 'mpd-gateway demo --once --json'],
    ({ out, context, signal }, { every, timeout, ...flags }) =>
      runDemo({ ...flags, everyMs: every, timeoutMs: timeout, cwd: context.cwd, stderr: context.stderr }, out, signal),
  );
}
