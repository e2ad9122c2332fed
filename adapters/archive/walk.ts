import type { Dirent } from 'node:fs';
import { compareUtf8 } from '../../src/mal/index.js';
import { joinPath } from './names.js';
import { type FileStat, isAbsent, type Root } from './root.js';

export interface Walked {
  readonly path: string;
  readonly stat: FileStat;
}

export interface WalkOptions {
  /** Names that are passed over, folders with all that is below. */
  readonly ignored: (name: string) => boolean;
  /** Called before a folder is read, so that a watch set now misses nothing. */
  readonly onFolder: (path: string) => void;
  /** A folder that cannot be read: nothing is known of what lies below it. */
  readonly onUnreadable: (path: string, error: Error) => void;
  readonly onRefused: (path: string, reason: string) => void;
  readonly signal: AbortSignal;
}

const CHUNK = 256;

/** Files below `start` in chunks, in the byte order of their paths, which is that of the database: `a.b` before `a/b`. */
export async function* walk(root: Root, start: string, options: WalkOptions): AsyncGenerator<readonly Walked[]> {
  const open: { readonly folder: string; readonly entries: readonly Dirent[]; next: number }[] = [];
  const enter = async (folder: string): Promise<void> => {
    options.onFolder(folder);
    try {
      const entries = await root.entries(folder);
      const wanted = entries.filter(({ name }) => !options.ignored(name));
      open.push({ folder, entries: wanted.sort((a, b) => compareUtf8(sortKey(a), sortKey(b))), next: 0 });
    } catch (error) {
      if (!isAbsent(error) || folder === '') options.onUnreadable(folder, error as Error);
    }
  };
  await enter(start);
  let chunk: string[] = [];
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    const entry = level.entries[level.next++];
    if (entry === undefined) {
      open.pop();
      continue;
    }
    const path = joinPath(level.folder, entry.name);
    if (entry.isDirectory()) await enter(path);
    else chunk.push(path);
    if (chunk.length >= CHUNK) {
      options.signal.throwIfAborted();
      yield await lookAtAll(root, chunk, options);
      chunk = [];
    }
  }
  options.signal.throwIfAborted();
  if (chunk.length > 0) yield await lookAtAll(root, chunk, options);
}

const sortKey = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);

async function lookAtAll(root: Root, paths: readonly string[], options: WalkOptions): Promise<readonly Walked[]> {
  const found = await Promise.all(
    paths.map((path) =>
      root.look(path).catch((error: Error) => {
        options.onUnreadable(path, error);
        return null;
      }),
    ),
  );
  return paths.flatMap((path, index) => {
    const what = found[index];
    if (what?.kind === 'refused') options.onRefused(path, what.reason);
    // A name of other bytes is shown with this character, and no file has the name so shown.
    if (what?.kind === 'absent' && path.includes('\ufffd')) options.onRefused(path, 'its name is not UTF-8');
    return what?.kind === 'file' ? [{ path, stat: what.stat }] : [];
  });
}
