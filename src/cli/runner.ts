import type { Command } from 'commander';
import type { HttpClient } from '../client/index.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { createOutput, type Output } from './output/output.js';
import type { GlobalOptions } from './remote.js';
import { httpOnlyClient, type WireClients, wireClients } from './wire.js';

/** What the body of a command gets. */
export interface Local {
  readonly context: Context;
  readonly out: Output;
  readonly signal: AbortSignal;
}
export interface Remote extends Local {
  readonly client: HttpClient;
}
export interface Wire extends Local, WireClients {}

/** An exit code when it is not 0. */
type Body<T, O> = (tools: T, options: O, ...args: string[]) => Promise<ExitCode> | Promise<void>;

/** Gives commands their common options and what they work with. */
export interface Runner {
  /** A command that works on this machine. */
  local<O>(command: Command, examples: readonly string[], body: Body<Local, O & GlobalOptions>): Command;
  /** A command that talks to a gateway over HTTP: what the standard does not have. */
  remote<O>(command: Command, examples: readonly string[], body: Body<Remote, O & GlobalOptions>): Command;
  /** A command that the standard has too: over HTTP, maltcp and malhttp, to any MPD provider. */
  wire<O>(command: Command, examples: readonly string[], body: Body<Wire, O & GlobalOptions>): Command;
}

export function createRunner(context: Context, finish: (code: ExitCode) => void): Runner {
  const tools = (options: GlobalOptions): Local => ({
    context,
    out: createOutput(context, options),
    signal: context.signal,
  });
  const attach = <T>(
    command: Command,
    examples: readonly string[],
    make: (options: GlobalOptions, command: Command) => T,
    body: Body<T, never>,
    close: (made: T) => Promise<void>,
  ) =>
    command
      .option('--json', 'JSON, one item a line (the default in a pipe)')
      .option('--debug', 'with the stack when it fails')
      .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
      .action(async (...parameters: unknown[]) => {
        // Commander passes the arguments, then the options, then the command.
        const args = parameters.slice(0, -2) as string[];
        const options = parameters.at(-2) as GlobalOptions;
        const made = make(options, command);
        try {
          finish((await body(made, options as never, ...args)) ?? EXIT.ok);
        } finally {
          await close(made);
        }
      });
  const connected = (command: Command, url: string): Command =>
    command
      .option('--url <url>', `${url} (default: MPD_GATEWAY_URL, else http://127.0.0.1:8080)`)
      .option('--key-file <file>', 'file with the API key (default: the key in MPD_GATEWAY_KEY)')
      .option('--ca <file>', 'further certification authorities, PEM');
  return {
    local: (command, examples, body) => attach(command, examples, tools, body, async () => undefined),
    remote: (command, examples, body) =>
      attach(
        connected(command, 'the gateway'),
        examples,
        (options, leaf): Remote => ({ ...tools(options), client: httpOnlyClient(context, options, leaf) }),
        body,
        ({ client }) => client.close(),
      ),
    wire: (command, examples, body) =>
      attach(
        connected(command, 'the gateway, or any MPD provider: http(s)://, maltcp:// or malhttp://'),
        examples,
        (options): Wire => ({ ...tools(options), ...wireClients(context, options) }),
        body,
        ({ client }) => client.close(),
      ),
  };
}
