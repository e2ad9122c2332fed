import type { TargetConfig } from '../gateway/target.js';

/** A named target of the configuration, its secrets already resolved. */
export type NamedTarget = TargetConfig['named'][string];

/** The named target that a URI lies below: same scheme, host, port and (where both name one) user; the longest path wins. */
export function namedTargetFor(uri: URL, named: TargetConfig['named']): NamedTarget | undefined {
  let best: NamedTarget | undefined;
  let length = -1;
  for (const target of Object.values(named)) {
    const base = new URL(target.uri);
    const sameUser = base.username === '' || uri.username === '' || base.username === uri.username;
    if (base.protocol !== uri.protocol || base.host !== uri.host || !sameUser) continue;
    const path = base.pathname.replace(/\/+$/, '');
    if (uri.pathname !== path && !uri.pathname.startsWith(`${path}/`)) continue;
    if (path.length > length) [best, length] = [target, path.length];
  }
  return best;
}

/** A text field of a named target. */
export function textOf(target: NamedTarget | undefined, key: string): string | undefined {
  const value = target?.[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Path of a URI as folder names, percent-decoded; `badPath` of the guard has refused what would decode to a step. */
export function foldersOf(uri: URL): readonly string[] {
  return uri.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
}

/** URI of a file below `uri`, without credentials, query and fragment. */
export function locationOf(uri: URL, name: string): string {
  const base = uri.pathname.replace(/\/+$/, '');
  const path = name.split('/').map(encodeURIComponent).join('/');
  return `${uri.protocol}//${uri.host}${base}/${path}`;
}
