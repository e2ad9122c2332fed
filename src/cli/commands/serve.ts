import { mkdirSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { GatewayConfig, LoadedConfig } from '../../config/index.js';
import { createLog, type LogOptions } from '../../log.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import type { Runner } from '../runner.js';

export interface LogFlags {
  readonly logFormat?: LogOptions['format'];
  readonly logLevel?: LogOptions['level'];
}

export const logOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--log-format <format>', 'pretty for people, json for machines').choices(['auto', 'pretty', 'json']),
    )
    .addOption(
      new Option('--log-level <level>', 'least level written').choices([
        'trace',
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    );

export const logOf = (config: GatewayConfig, flags: LogFlags, stream: NodeJS.WritableStream) =>
  createLog({ level: flags.logLevel ?? config.log.level, format: flags.logFormat ?? config.log.format, stream });

export function serveCommand(program: Command, { local }: Runner): void {
  local<ConfigOptions & LogFlags>(
    logOptions(configOption(program.command('serve').description('Run the gateway until Ctrl-C.'))),
    ['mpd-gateway serve', 'mpd-gateway serve --config gateway.yaml --log-format json'],
    async (tools, options) => {
      const { context, signal, out } = tools;
      const loaded = await readConfig(options, tools);
      const log = logOf(loaded.config, options, context.stderr);
      if (loaded.file === null) log.info(makeDefaultFolders(loaded), 'no gateway.yaml: all defaults are in force');
      else log.info({ file: loaded.file }, 'configuration read');
      const { startGateway } = await import('../../main.js');
      const running = await startGateway(loaded.config, { log, signal });
      try {
        log.info({ urls: running.urls }, 'the gateway is ready');
        if ((await running.gateway.access.listKeys()).length === 0)
          log.info(
            `nobody has an API key yet: mpd-gateway keys create ${loaded.config.access.principals[0]?.id ?? 'PRINCIPAL'}`,
          );
        if (out.json) await out.value({ event: 'ready', urls: running.urls });
        await untilAborted(signal);
        log.info('stopping: what is under way ends or can be resumed');
      } finally {
        await running.stop();
      }
    },
  );
}

/** Without a file nobody was asked to make the folders that are served and delivered to. */
function makeDefaultFolders({ config }: LoadedConfig): { products: string[]; delivered: string[] } {
  const products = config.backends.flatMap(({ path }) => (typeof path === 'string' ? [path] : []));
  const delivered = config.targets.allow.flatMap(({ root }) => (root === undefined ? [] : [root]));
  for (const folder of [...products, ...delivered]) mkdirSync(folder, { recursive: true });
  return { products, delivered };
}

export const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
