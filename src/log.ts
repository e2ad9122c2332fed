import { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import { build as pretty } from 'pino-pretty';

export type { Logger } from 'pino';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'auto' | 'pretty' | 'json';
  /** Where lines go; standard error unless given. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const SECRET_KEYS = [
  'password',
  'passphrase',
  'secret',
  'token',
  'apiKey',
  'api_key',
  'key.secret',
  'authorization',
  'cookie',
  'privateKey',
  'secretAccessKey',
  'sessionToken',
  'credentials',
]; // prettier-ignore

/** Under these names nothing is ever written, at the top of a line or up to two objects down. */
const REDACTED = [
  ...SECRET_KEYS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  'headers["x-api-key"]',
  '*.headers["x-api-key"]',
  '*.headers["set-cookie"]',
];

const IN_URL = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@/"']+@/gi;
const API_KEY = /\bmpd_([0-9a-f]{12})_[A-Za-z0-9_-]{43}/g;

/** Passwords in URLs and API keys taken out of a text. */
export const withoutSecrets = (text: string): string => text.replace(IN_URL, '$1:***@').replace(API_KEY, 'mpd_$1_***');

/** The logger of a process: one line an event; secrets are cut out by name and by look. */
export function createLog(options: LogOptions): Logger {
  const stream = options.stream ?? process.stderr;
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && stream.isTTY === true);
  const clean = { write: (line: string) => stream.write(withoutSecrets(line)) };
  return pino(
    {
      level: options.level,
      base: isPretty ? null : { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '(hidden)' },
      serializers: { err: errorOf, error: errorOf },
    },
    isPretty ? prettyStream(clean, stream.isTTY === true) : clean,
  );
}

function prettyStream(clean: { write(line: string): unknown }, colorize: boolean): DestinationStream {
  const write = (line: string): void => {
    clean.write(line);
  };
  return pretty({ colorize, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l', destination: writable(write), sync: true });
}

function writable(write: (line: string) => void): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      write(String(chunk));
      done();
    },
  });
}

/** An error with its causes and its plain fields; objects that hang on it (connections, requests) are left out. */
function errorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const own = Object.entries(error).flatMap(([key, value]) => {
    const text = plain(value);
    return text === undefined ? [] : [[key, text]];
  });
  return {
    type: error.name,
    message: error.message,
    ...Object.fromEntries(own),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: errorOf(error.cause) }),
  };
}

function plain(value: unknown): string | number | boolean | undefined {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}
