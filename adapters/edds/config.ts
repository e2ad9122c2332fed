import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { invalid } from '../../src/mpd/index.js';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds, as a number or as text with a unit. */
const duration = z.union([
  z.number().nonnegative(),
  z
    .string()
    .regex(/^\d+(\.\d+)?\s*(ms|s|m|h|d)$/, 'a duration such as 500ms, 2s, 5m, 1h or 90d')
    .transform((text) => Number.parseFloat(text) * UNITS[text.replace(/[\d.\s]/g, '') as keyof typeof UNITS]),
]);

const schema = z.object({
  id: z.string().min(1),
  domain: z.array(z.string().min(1)),
  /** Mapping table with the site profile; absent: the one that comes with the gateway. */
  mapping: z.string().optional(),
  /** What this site does otherwise than the profile of the mapping: laid over it. */
  site: z.record(z.string(), z.unknown()).optional(),
  /** URL of the site's WSDL, or a file with it. */
  wsdl: z.string().min(1),
  /** Address to call instead of the one in the WSDL. */
  endpoint: z.url().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  /** EDDS name of the mission whose data are this backend's, e.g. SOL. */
  mission: z.string().optional(),
  tls: z
    .strictObject({ ca: z.string().optional(), cert: z.string().optional(), key: z.string().optional() })
    .optional(),
  /** How often the catalogue is read. */
  catalogue: duration.default(60_000),
  /** How often jobs of standing orders are looked at. */
  poll: duration.default(5000),
  /** How long a stream collects before it closes a part. */
  partSeconds: z.int().min(1).default(60),
  /** How often recurring requests run, for types that do not stream. */
  period: duration.default(3_600_000),
  /** How far before the end of a stream its successor looks back; packets that came already are left out. */
  overlap: duration.default(600_000),
  /** How much later than it is due EDDS may make a part. */
  lag: duration.default(10_000),
  /** How long the result of a retrieval may be used again. */
  reuse: duration.default(600_000),
  cache: z
    .strictObject({
      path: z.string().optional(),
      maxBytes: z
        .number()
        .positive()
        .default(4 * 1024 ** 3),
    })
    .prefault({}),
  /** Longest stretch of time one retrieval may cover. */
  maxWindow: duration.default(31 * UNITS.d),
  /** No byte for so long ends a call. */
  idle: duration.default(60_000),
  /** Who sends the files of orders: the gateway, or EDDS wherever it can write to the target itself. */
  delivery: z.enum(['gateway', 'edds']).default('gateway'),
  /** Folders of this machine that EDDS sees too, and under which path. */
  sharedFolders: z.record(z.string(), z.string().min(1)).default({}),
  /** How long files that EDDS sends may come later than it says that they are sent. */
  arrival: duration.default(60_000),
  /** How long a file at the target must keep its size before it counts as cut off. */
  settle: duration.default(5000),
  /** How long removals stay known to followers that were away. */
  retention: duration.default(90 * UNITS.d),
});

export interface EddsConfig extends Omit<z.infer<typeof schema>, 'cache'> {
  readonly cache: { readonly path: string; readonly maxBytes: number };
}

/** @throws MpdError Invalid naming the field */
export function eddsConfig(entry: Readonly<Record<string, unknown>>): EddsConfig {
  const { kind: _, domains: __, ...fields } = entry;
  const result = schema.strict().safeParse(fields);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`backends.${String(entry.id)}.${issue?.path.join('.') ?? ''}`, issue?.message ?? '', result.error);
  }
  const { cache, ...rest } = result.data;
  const safeId = encodeURIComponent(rest.id).replaceAll('.', '%2E');
  return { ...rest, cache: { maxBytes: cache.maxBytes, path: join(cache.path ?? join(tmpdir(), 'mpd-edds'), safeId) } };
}
