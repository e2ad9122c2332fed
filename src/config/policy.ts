import { z } from 'zod';
import { DecodeError } from '../mal/index.js';
import { compileTree, decodeTree, type FilterTree } from '../mpd/filter/index.js';

const domain = z.union([z.array(z.string()), z.array(z.array(z.string())).min(1)], {
  error: 'expected a domain such as [esa, solo, "*"], or a list of domains',
});
const short = z.strictObject({
  domain: domain.optional(),
  productTypes: z.array(z.string()).min(1).optional(),
  pathPrefix: z.string().optional(),
});
const SHORT_KEYS = Object.keys(short.shape);

/** A filter tree, or the short form whose keys must all hold; null = everything. */
export const policyField = z
  .union([z.record(z.string(), z.unknown()), z.null()], {
    error: 'expected { domain, productTypes, pathPrefix } or a filter tree',
  })
  .transform((input, context): FilterTree | null => {
    if (input === null) return null;
    const keys = Object.keys(input);
    const isShort = keys.length > 0 && keys.every((key) => SHORT_KEYS.includes(key));
    const { tree, path, reason } = isShort ? fromShort(input) : fromTree(input);
    if (tree === undefined)
      context.issues.push({ code: 'custom', input, message: reason ?? 'is no filter', path: [...(path ?? [])] });
    return tree ?? z.NEVER;
  })
  .default(null)
  .meta({
    kind: 'policy',
    description:
      'What this principal may see: `{ domain: [esa, solo, "*"], productTypes: […], pathPrefix: … }`, where all that are given must hold, or a filter tree. Absent: everything.',
  });

interface Outcome {
  readonly tree?: FilterTree;
  readonly path?: readonly PropertyKey[];
  readonly reason?: string;
}

function fromShort(input: unknown): Outcome {
  const parsed = short.safeParse(input);
  if (!parsed.success) return { path: parsed.error.issues[0]!.path, reason: parsed.error.issues[0]!.message };
  const parts: FilterTree[] = [];
  const { domain: domains, productTypes, pathPrefix } = parsed.data;
  if (domains !== undefined) parts.push(domainTree(domains));
  if (productTypes !== undefined) parts.push({ productTypes });
  if (pathPrefix !== undefined) parts.push({ pathPrefix });
  return compiled(parts.length === 1 ? parts[0]! : { all: parts });
}

function domainTree(domains: readonly string[] | readonly string[][]): FilterTree {
  const list = (Array.isArray(domains[0]) ? domains : [domains]) as readonly (readonly string[])[];
  const trees = list.map((entry): FilterTree => ({ domain: entry }));
  return trees.length === 1 ? trees[0]! : { any: trees };
}

function fromTree(input: unknown): Outcome {
  try {
    return compiled(decodeTree(input));
  } catch (error) {
    if (error instanceof DecodeError) return { reason: error.message };
    throw error;
  }
}

/** A tree that cannot be compiled (a bad pattern, a named filter) would fail at every request. */
function compiled(tree: FilterTree): Outcome {
  try {
    compileTree(tree, '');
    return { tree };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}
