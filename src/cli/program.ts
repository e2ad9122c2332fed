import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.js';
import { configCommands } from './commands/config.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { eventCommands } from './commands/events.js';
import { filterCommands } from './commands/filters.js';
import { keyCommands } from './commands/keys.js';
import { mappingCommands } from './commands/mappings.js';
import { orderCommands } from './commands/orders.js';
import { productCommands } from './commands/products.js';
import { serveCommand } from './commands/serve.js';
import { serviceCommands } from './commands/services.js';
import { simulateCommands } from './commands/simulate.js';
import { storeCommands } from './commands/store.js';
import { typeCommands } from './commands/types.js';
import type { Context } from './context.js';
import { errorText } from './error-text.js';
import { EXIT, EXIT_MEANING, type ExitCode, exitCodeOf } from './exit-codes.js';
import { createRunner } from './runner.js';

const OVERVIEW = `
Start here:
  $ mpd-gateway demo                       everything at once, in one terminal
  $ mpd-gateway serve --config gateway.yaml
  $ mpd-gateway keys create operator       then: export MPD_GATEWAY_KEY=…
  $ mpd-gateway products list --domain 'local.*'

Exit codes:
${Object.entries(EXIT)
  .map(([name, code]) => `  ${String(code).padStart(3)}  ${EXIT_MEANING[name as keyof typeof EXIT]}`)
  .join('\n')}
`;

/** Runs one command line; gives the exit code. */
export async function main(argv: readonly string[], context: Context): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (context.signal.aborted) return EXIT.interrupted;
    context.stderr.write(errorText(error, { debug: argv.includes('--debug') }));
    return exitCodeOf(error);
  }
}

export function buildProgram(context: Context, finish: (code: ExitCode) => void): Command {
  const program = new Command('mpd-gateway')
    .description('Speaks CCSDS Mission Product Distribution in front of the systems that hold the products.')
    .version(VERSION, '-V, --version')
    .addHelpText('after', OVERVIEW)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'mpd-gateway: ')),
    })
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride();
  const runner = createRunner(context, finish);
  for (const add of [
    serveCommand,
    demoCommand,
    configCommands,
    keyCommands,
    storeCommands,
    doctorCommand,
    simulateCommands,
    typeCommands,
    productCommands,
    orderCommands,
    filterCommands,
    eventCommands,
    serviceCommands,
    mappingCommands,
  ])
    add(program, runner);
  return program;
}
