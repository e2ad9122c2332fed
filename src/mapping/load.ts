import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { invalid } from '../mpd/index.js';
import { type MappingFile, mappingFile } from './schema.js';

/**
 * Reads a mapping table. `readers` is checked by the adapter's own schema.
 * @throws MpdError Invalid naming file, path and reason of every fault
 */
export async function loadMapping<R = unknown>(
  file: string,
  readers?: z.ZodType<R>,
): Promise<MappingFile & { readonly readers: R }> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw invalid(file, `the mapping table cannot be read: ${(error as Error).message}`, error);
  }
  return parseMapping(text, file, readers);
}

/** The table of this name that comes with the gateway, from the source tree as well as from the built package. */
export function bundledMapping(name: string): string {
  const [source = '', built = ''] = ['../..', '../../..'].map((up) => join(import.meta.dirname, up, 'mappings', name));
  return existsSync(source) ? source : built;
}

/** The same for a table in memory; `file` is its name in errors. */
export function parseMapping<R = unknown>(
  text: string,
  file: string,
  readers?: z.ZodType<R>,
): MappingFile & { readonly readers: R } {
  let data: unknown;
  try {
    // Through JSON, so that its names are texts of their own: parts of a text with any `→` in it would take two bytes a letter,
    // and so would everything that is written with them.
    data = JSON.parse(JSON.stringify(parse(text) ?? null));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw invalid(file, error.message.split('\n')[0] ?? error.message, error);
  }
  const mapping = check(mappingFile, data, file, '');
  if (readers === undefined) return mapping as MappingFile & { readonly readers: R };
  return { ...mapping, readers: check(readers, mapping.readers ?? {}, file, 'readers') };
}

function check<T>(schema: z.ZodType<T>, data: unknown, file: string, at: string): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const path = [...(at === '' ? [] : [at]), ...deepest(issue).path].map(String).join('.');
    return `${path === '' ? 'the file' : path}: ${deepest(issue).message}`;
  });
  throw invalid(file, faults.join('; '), result.error);
}

/** Of a union's alternatives, the fault of that which fits best: with the fewest faults, then where it lies deepest. */
function deepest(issue: z.core.$ZodIssue): { readonly path: readonly PropertyKey[]; readonly message: string } {
  if (issue.code !== 'invalid_union') return issue;
  const [best] = issue.errors
    .map((issues) => ({ count: issues.length, first: issues.map(deepest).sort(byDepth)[0] }))
    .filter(({ first }) => first !== undefined)
    .sort((a, b) => a.count - b.count || byDepth(a.first!, b.first!));
  return best?.first === undefined ? issue : { path: [...issue.path, ...best.first.path], message: best.first.message };
}

const byDepth = (a: { readonly path: readonly PropertyKey[] }, b: { readonly path: readonly PropertyKey[] }): number =>
  b.path.length - a.path.length;
