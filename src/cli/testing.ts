import { Writable } from 'node:stream';
import type { Context, Terminal } from './context.js';
import type { ExitCode } from './exit-codes.js';
import { main } from './program.js';

export interface CliRun {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as lines of JSON. */
  readonly json: readonly Record<string, unknown>[];
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** As on a terminal of so many columns. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
}

/** Runs a command line in this process. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const stdout = captured(options.columns);
  const stderr = captured(options.columns);
  const context: Context = {
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    stdin: (async function* () {
      yield Buffer.from(options.stdin ?? '');
    })(),
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await main(argv, context);
  return {
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    get json() {
      return stdout
        .text()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

function captured(columns: number | undefined): { readonly stream: Terminal; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer | string, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return {
    stream: Object.assign(stream, columns === undefined ? {} : { isTTY: true, columns }),
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}
