import { resolve } from 'node:path';
import { z } from 'zod';
import { invalid } from '../../src/mpd/index.js';

/** Milliseconds, as a number or as text with a unit: `500ms`, `2s`, `5m`, `1h`, `90d`. */
const duration = z.union([
  z.number().nonnegative(),
  z
    .string()
    .regex(/^\d+(\.\d+)?\s*(ms|s|m|h|d)$/, 'a duration such as 500ms, 2s, 5m, 1h or 90d')
    .transform((text) => Number.parseFloat(text) * UNITS[text.replace(/[\d.\s]/g, '') as keyof typeof UNITS]),
]);

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const schema = z.object({
  id: z.string().min(1),
  domain: z.array(z.string().min(1)),
  /** The folder; relative to the working directory. */
  path: z.string().min(1),
  /** Mapping table; absent: the one that comes with the gateway. */
  mapping: z.string().optional(),
  /** A file counts when it has not changed for so long. */
  settle: duration.default(2000),
  /** How often the whole tree is looked through for what file-system events missed. */
  sweep: duration.default(60_000),
  /** Off where the file system has no events (many network shares): the sweep alone then finds changes. */
  watch: z.boolean().default(true),
  /** Names, or names of folders, that are never products: `*` and `?` are wildcards. */
  ignore: z
    .array(z.string().min(1))
    .default(['.*', '*~', '*.tmp', '*.temp', '*.part', '*.partial', '*.filepart', '#*#']),
  /** So many of the folders above a file become further parts of its domain. */
  domainFolders: z.int().min(0).max(16).default(0),
  /** An empty root means that everything was removed; otherwise it is taken for a share that is not mounted. */
  allowEmpty: z.boolean().default(false),
  /** A file that must exist in the root for it to be believed; its presence also vouches for an empty root. */
  marker: z.string().min(1).optional(),
  /** How long removals stay known to followers that were away. */
  retention: duration.default(90 * UNITS.d),
});

export interface ArchiveConfig extends Omit<z.infer<typeof schema>, 'marker' | 'mapping'> {
  readonly marker: string | null;
  readonly mapping: string | null;
}

/** @throws MpdError Invalid naming the field */
export function archiveConfig(entry: Readonly<Record<string, unknown>>): ArchiveConfig {
  const { kind: _, ...fields } = entry;
  const result = schema.strict().safeParse(fields);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`backends.${String(entry.id)}.${issue?.path.join('.') ?? ''}`, issue?.message ?? '', result.error);
  }
  const { marker, mapping, ...rest } = result.data;
  return { ...rest, path: resolve(rest.path), marker: marker ?? null, mapping: mapping ?? null };
}
