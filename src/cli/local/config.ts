import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type LoadedConfig, loadConfig, problemText } from '../../config/index.js';
import type { Local } from '../runner.js';

export interface ConfigOptions {
  readonly config?: string;
}

export const configOption = (command: Command): Command =>
  command.option(
    '-c, --config <file>',
    'gateway.yaml (default: MPD_GATEWAY_CONFIG, else ./gateway.yaml, else defaults)',
  );

/** The configuration a command works with; its warnings go to standard error. */
export async function readConfig({ config: file }: ConfigOptions, { context, out }: Local): Promise<LoadedConfig> {
  const loaded = loadConfig({ file, cwd: context.cwd, sources: sourcesOf(context) });
  for (const warning of loaded.warnings) await out.note(`warning: ${problemText(warning, loaded.file)}`);
  return loaded;
}

const sourcesOf = ({ env }: Local['context']) => ({ env, readFile: (path: string) => readFileSync(path, 'utf8') });
