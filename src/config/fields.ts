import { z } from 'zod';

/**
 * What gateway.yaml is made of. Sizes are bytes and durations milliseconds once read; every number may also be written as
 * text, because `env:NAME` always gives text.
 */
export type FieldMeta = {
  readonly description: string;
  /** Hidden by `config show`; should come from `env:` or `file:`. */
  readonly secret?: boolean;
  /** How the value is called in the reference page. */
  readonly kind?: string;
};

const meta = (description: string, kind: string, more: Partial<FieldMeta> = {}): FieldMeta => ({
  description,
  kind,
  ...more,
});

export const text = (help: string, kind = 'text') =>
  z.string({ error: 'expected a text' }).min(1, 'must not be empty').meta(meta(help, kind));

/** An identifier of ours: letters, digits, `-`, `_`, `.`. */
export const name = (help: string) =>
  z
    .string({ error: 'expected a name' })
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
      'must be 1 to 100 letters, digits, "-", "_" or ".", starting with a letter or digit',
    )
    .meta(meta(help, 'name'));

export const secret = (help: string) =>
  z
    .string({ error: 'expected a text' })
    .min(1, 'must not be empty')
    .meta(meta(help, 'secret', { secret: true }));

/** A path, made absolute against the folder of the configuration file by `resolvePaths`. */
export const path = (help: string) =>
  z.string({ error: 'expected a path' }).min(1, 'must not be empty').meta(meta(help, 'path'));

export const url = (help: string, protocols: readonly string[], more: Partial<FieldMeta> = {}) =>
  z
    .string({ error: 'expected a URL' })
    .refine(
      // An empty host is PostgreSQL's way to name a socket: postgresql://user@/name?host=/folder.
      (value) =>
        URL.canParse(value.replace('@/', '@socket/')) && protocols.some((name) => value.startsWith(`${name}://`)),
      `must be a URL that starts with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
    )
    .meta(meta(help, 'URL', more));

export const flag = (help: string) =>
  z
    .union([z.boolean(), z.enum(['true', 'false'])], { error: 'expected true or false' })
    .transform((value) => value === true || value === 'true')
    .meta(meta(help, 'true or false'));

export const choice = <const T extends readonly [string, ...string[]]>(help: string, values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` }).meta(meta(help, values.join(', ')));

/** A count. */
export const integer = (help: string, minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  number(help, 'number', minimum, maximum, (value) => (/^-?\d+$/.test(value) ? Number(value) : null), 'a whole number');

export const port = (help: string) =>
  number(help, 'port', 0, 65535, (value) => (/^\d+$/.test(value) ? Number(value) : null), 'a port number');

/** `64MiB`, `1.5 GB`, `4096`; bytes once read. */
export const size = (help: string, minimum = 1, maximum = Number.MAX_SAFE_INTEGER) =>
  number(help, 'size', minimum, maximum, parseSize, 'a size such as 64MiB');

/** `500ms`, `10s`, `15m`, `24h`, `7d`; milliseconds once read. A bare number is seconds. */
export const duration = (help: string, minimum = 0, maximum = 3_650 * 86_400_000) =>
  number(
    help,
    'duration',
    minimum,
    maximum,
    parseDuration,
    'a duration such as 10s or 15m',
    (seconds) => seconds * 1000,
  );

function number(
  help: string,
  kind: string,
  minimum: number,
  maximum: number,
  parse: (value: string) => number | null,
  expected: string,
  scale: (value: number) => number = (value) => value,
) {
  return z
    .union([z.number(), z.string()], { error: `expected ${expected}` })
    .transform((input, context): number => {
      const value = typeof input === 'number' ? scale(input) : parse(input.trim());
      if (value === null || !Number.isInteger(value)) fail(`expected ${expected}`);
      else if (value < minimum) fail(`must be at least ${written(kind, minimum)}`);
      else if (value > maximum) fail(`must be at most ${written(kind, maximum)}`);
      else return value;
      return z.NEVER;

      function fail(message: string): void {
        context.issues.push({ code: 'custom', message, input });
      }
    })
    .meta(meta(help, kind));
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  '': 1000,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Bytes, or null when `value` is no size. */
export const parseSize = (value: string): number | null => quantity(value, SIZE_UNITS);

/** Milliseconds, or null when `value` is no duration. */
export const parseDuration = (value: string): number | null => quantity(value, DURATION_UNITS);

function quantity(value: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(value);
  const unit = match && units[match[2]!.toLowerCase()];
  return unit === undefined || unit === null ? null : Math.round(Number(match![1]) * unit);
}

/** `value` as a person would have written it. */
export function written(kind: string, value: number): string {
  if (kind === 'size')
    return inUnits(value, [
      ['GiB', 2 ** 30],
      ['MiB', 2 ** 20],
      ['KiB', 2 ** 10],
      ['B', 1],
    ]);
  if (kind === 'duration')
    return inUnits(value, [
      ['d', 86_400_000],
      ['h', 3_600_000],
      ['m', 60_000],
      ['s', 1000],
      ['ms', 1],
    ]);
  return String(value);
}

function inUnits(value: number, units: readonly (readonly [string, number])[]): string {
  const [unit, factor] = units.find(([, size]) => value >= size && value % size === 0) ?? units.at(-1)!;
  return `${value / factor}${unit}`;
}
