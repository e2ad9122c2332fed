import type { Command } from 'commander';
import { configJsonSchema, referencePage, showConfig, shownConfig } from '../../config/index.js';
import { type ConfigOptions, configOption, readConfig } from '../local/config.js';
import { counted } from '../output/human.js';
import { write } from '../output/write.js';
import type { Runner } from '../runner.js';

export function configCommands(program: Command, { local }: Runner): void {
  const config = program.command('config').description('Check, explain and show gateway.yaml.');

  local<ConfigOptions>(
    configOption(config.command('check').description('Every problem with line, path, value and reason.')),
    ['mpd-gateway config check', 'mpd-gateway config check --config /etc/mpd/gateway.yaml'],
    async (tools, options) => {
      const { config: found, file, warnings } = await readConfig(options, tools);
      const summary = { file, backends: found.backends.map(({ id }) => id), warnings: warnings.length };
      if (tools.out.json) return tools.out.value(summary);
      await tools.out.say(
        `${file ?? 'no file, all defaults'}: good (${counted(found.backends.length, 'backend')}${warnings.length > 0 ? `, ${counted(warnings.length, 'warning')}` : ''})`,
      );
    },
  );

  local<{ markdown?: boolean }>(
    config
      .command('schema')
      .description('JSON Schema of gateway.yaml, for editors.')
      .option('--markdown', 'the reference page instead'),
    ['mpd-gateway config schema > gateway.schema.json', 'mpd-gateway config schema --markdown'],
    async ({ context }, { markdown }) =>
      write(context.stdout, markdown === true ? referencePage() : `${JSON.stringify(configJsonSchema(), null, 2)}\n`),
  );

  local<ConfigOptions>(
    configOption(config.command('show').description('What is in force, defaults included; secrets hidden.')),
    ['mpd-gateway config show', 'mpd-gateway config show --json'],
    async (tools, options) => {
      const loaded = await readConfig(options, tools);
      // In a pipe too: what is shown is meant to be kept as a file.
      if ((options as { json?: boolean }).json === true) return tools.out.value(shownConfig(loaded));
      await write(tools.context.stdout, showConfig(loaded));
    },
  );
}
