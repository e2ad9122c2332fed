import { ConfigError } from '../config/index.js';
import { withoutSecrets } from '../log.js';
import { isMpdError } from '../mpd/index.js';
import { CliError } from './exit-codes.js';
import { harmless } from './output/table.js';

/** What a failure prints: one line that names field and reason (one a problem for a configuration); the stack with `--debug`. */
export function errorText(error: unknown, { debug }: { readonly debug: boolean }): string {
  const lines = message(error)
    .split('\n')
    .map((line) => `mpd-gateway: ${harmless(withoutSecrets(line))}`);
  if (debug) lines.push(...stacks(error).map((text) => withoutSecrets(text)));
  else if (!(error instanceof CliError || error instanceof ConfigError || isMpdError(error)))
    lines.push('  (--debug shows where)');
  return `${lines.join('\n')}\n`;
}

function message(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (isMpdError(error)) {
    const text =
      error.field !== undefined && error.field !== '' && !error.message.startsWith(error.field)
        ? `${error.field}: ${error.message}`
        : error.message;
    return `${oneLine(text)} (${error.code})`;
  }
  if (!(error instanceof Error)) return oneLine(String(error));
  const { code } = error as NodeJS.ErrnoException;
  return oneLine(error.message || code || error.name);
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');

function stacks(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  return [
    error.stack ?? error.message,
    ...(error.cause === undefined ? [] : stacks(error.cause).map((text) => `caused by ${text}`)),
  ];
}
