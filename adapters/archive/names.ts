/** Compiles names with `*` and `?` wildcards into one test of a single name. */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const regex = new RegExp(`^(?:${patterns.map(globSource).join('|')})$`, 'su');
  return (name) => regex.test(name);
}

const globSource = (glob: string): string =>
  [...glob]
    .map((char) => (char === '*' ? '.*' : char === '?' ? '.' : char.replace(/[\\^$.|+()[\]{}/]/g, '\\$&')))
    .join('');

/** Whether any part of a path within the root is to be ignored. */
export const pathIgnored = (path: string, ignored: (name: string) => boolean): boolean => path.split('/').some(ignored);

export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Without a slash at the end; empty for the root. */
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Lower case, without the dot; empty when there is none. A leading dot starts no extension. */
export function extensionOf(path: string): string {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}

export const joinPath = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
