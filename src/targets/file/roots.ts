import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TargetConfig } from '../../gateway/target.js';
import { deliveryFailed, invalid } from '../../mpd/index.js';

/** Folders that may be written, as configured (absolute, links not resolved). Throws Invalid naming the field. */
export function configuredRoots(config: TargetConfig): readonly string[] {
  const allowed = config.allow.flatMap((rule, index) => {
    if (rule.scheme !== 'file') return [];
    if (typeof rule.root !== 'string' || rule.root === '')
      throw invalid(`targets.allow[${index}].root`, 'a file target needs the folder it may write below');
    return [resolve(rule.root)];
  });
  const named = Object.entries(config.named).flatMap(([name, target]) => {
    if (!/^file:/i.test(target.uri)) return [];
    return [pathOf(new URL(target.uri), `targets.named.${name}.uri`)];
  });
  return [...new Set([...allowed, ...named])];
}

/** The root a URI lies in and the folder names below it; Delivery Failed of class `refuse` when it lies in none. */
export function locate(
  uri: URL,
  roots: readonly string[],
): { readonly root: string; readonly below: readonly string[] } {
  const path = pathOf(uri, 'deliverTo');
  const root = roots.filter((candidate) => isInside(candidate, path)).sort((a, b) => b.length - a.length)[0];
  if (root === undefined) {
    const where = roots.length === 0 ? 'no folder is configured' : `allowed: ${roots.join(', ')}`;
    throw deliveryFailed(`${path} is outside the folders that may be written (${where})`);
  }
  return {
    root,
    below: relative(root, path)
      .split(sep)
      .filter((part) => part !== ''),
  };
}

export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/** Absolute path of a `file:` URI without host; Delivery Failed of class `refuse` otherwise. */
export function pathOf(uri: URL, field: string): string {
  if (uri.protocol !== 'file:' || (uri.host !== '' && uri.host !== 'localhost'))
    throw deliveryFailed(`${field}: ${uri.href} is no file on this machine (file:///folder)`);
  if (uri.search !== '' || uri.hash !== '')
    throw deliveryFailed(`${field}: ${uri.href} holds a query or fragment; write ? as %3F and # as %23`);
  try {
    const path = fileURLToPath(uri.host === '' ? uri : new URL(`file://${uri.pathname}`));
    if (path.includes('\0')) throw new Error('it holds a NUL character');
    return join(resolve(path));
  } catch (cause) {
    throw deliveryFailed(`${field}: ${uri.href}: ${(cause as Error).message}`, 'refuse', cause);
  }
}
