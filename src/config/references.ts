import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathText } from './problem.js';
import { mapLeaves } from './walk.js';

/** Where values may come from; given, so that tests need no environment. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

export const processSources: Sources = { env: process.env, readFile: (path) => readFileSync(path, 'utf8') };

export interface Resolved {
  readonly value: unknown;
  /** Paths whose value came from the environment or a file, with the text in gateway.yaml. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problems: readonly { readonly path: readonly PropertyKey[]; readonly reason: string }[];
}

/** `env:NAME` and `file:path` (but not the URI `file://…`). */
export const isReference = (value: unknown): value is string =>
  typeof value === 'string' &&
  (/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(value) ||
    (/^file:/.test(value) && !value.startsWith('file://') && value.length > 5));

/** Puts the variable's or the file's text (without the line end) in place of every reference; paths are relative to `folder`. */
export function resolveReferences(value: unknown, folder: string, sources: Sources): Resolved {
  const origins = new Map<string, string>();
  const problems: { path: readonly PropertyKey[]; reason: string }[] = [];
  const resolved = mapLeaves(value, (leaf, path) => {
    if (!isReference(leaf)) return leaf;
    origins.set(pathText(path), leaf);
    const found = leaf.startsWith('env:')
      ? fromEnvironment(leaf.slice(4), sources)
      : fromFile(resolve(folder, leaf.slice(5)), sources);
    if ('text' in found) return found.text;
    problems.push({ path, reason: found.reason });
    return leaf;
  });
  return { value: resolved, origins, problems };
}

type Found = { readonly text: string } | { readonly reason: string };

function fromEnvironment(name: string, { env }: Sources): Found {
  const text = env[name];
  if (text === undefined) return { reason: `the environment variable ${name} is not set` };
  return text === '' ? { reason: `the environment variable ${name} is empty` } : { text };
}

function fromFile(path: string, { readFile }: Sources): Found {
  try {
    return { text: readFile(path).replace(/\r?\n$/, '') };
  } catch (error) {
    return {
      reason: `the file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`,
    };
  }
}
