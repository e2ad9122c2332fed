import { ConfigError } from '../config/index.js';
import { isMpdError, type MpdErrorCode } from '../mpd/index.js';

/** What the process ends with. Scripts rely on these numbers: they only ever grow. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  invalid: 3,
  unknown: 4,
  denied: 5,
  tooMany: 6,
  failed: 7,
  unreachable: 8,
  unsupported: 9,
  findings: 10,
  integrity: 11,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  internal: 'a fault of the program or of the gateway',
  usage: 'wrong option or argument, or gateway.yaml cannot be used',
  invalid: 'the gateway refused a value; the message names the field',
  unknown: 'no such product, order, filter …',
  denied: 'no key, a wrong key, or not allowed',
  tooMany: 'more than a limit allows',
  failed: 'an order or a delivery failed',
  unreachable: 'gateway, backend, target or database not reachable; later may work',
  unsupported: 'not offered by this gateway or over this transport',
  findings: 'the check ran and found something wrong (doctor, orders missing --check)',
  integrity: 'bytes are not what they should be',
  interrupted: 'stopped by Ctrl-C',
};

/** One row for every error of the standard. */
export const EXIT_OF: Readonly<Record<MpdErrorCode, ExitCode>> = {
  Invalid: EXIT.invalid,
  'Delivery Failed': EXIT.failed,
  'Order Failed': EXIT.failed,
  Unknown: EXIT.unknown,
  'Too Many': EXIT.tooMany,
  'Delivery Timedout': EXIT.unreachable,
  'Delivery Delayed': EXIT.unreachable,
  'Destination Unknown': EXIT.unreachable,
  'Destination Transient': EXIT.unreachable,
  'Destination Lost': EXIT.unreachable,
  'Authentication Failed': EXIT.denied,
  'Authorisation Fail': EXIT.denied,
  'Encryption Fail': EXIT.denied,
  'Unsupported Area': EXIT.unsupported,
  'Unsupported Area Version': EXIT.unsupported,
  'Unsupported Service': EXIT.unsupported,
  'Unsupported Operation': EXIT.unsupported,
  'Bad Encoding': EXIT.internal,
  Internal: EXIT.internal,
  'Incorrect State': EXIT.invalid,
  Shutdown: EXIT.unreachable,
  'Transaction Timeout': EXIT.unreachable,
};

/** An end that is no fault of a request: the message is all there is to say. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

export const usage = (message: string): CliError => new CliError(EXIT.usage, message);

const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EHOSTUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'EPIPE']);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT.usage;
  if (isMpdError(error))
    return error.code === 'Internal' && (error.class === 'retry' || error.class === 'target-down')
      ? EXIT.unreachable
      : EXIT_OF[error.code];
  if (error instanceof Error && error.name === 'AbortError') return EXIT.interrupted;
  return NETWORK.has(String((error as NodeJS.ErrnoException | null)?.code)) ? EXIT.unreachable : EXIT.internal;
}
