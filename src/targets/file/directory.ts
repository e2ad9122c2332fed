import { existsSync } from 'node:fs';
import { constants, type FileHandle, mkdir, open, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { deliveryFailed } from '../../mpd/index.js';
import { codeOf } from './errors.js';
import { isInside } from './roots.js';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Names below an open directory resolve here on Linux, so that a folder swapped for a link meanwhile leads nowhere else. */
const BY_HANDLE = existsSync('/proc/self/fd') ? '/proc/self/fd' : null;

/** A directory held open: what is done by `at` happens in this very directory. */
export interface Directory {
  at(name: string): string;
  /** Where it was when it was opened, links resolved. */
  readonly real: string;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the folder `below` a root. Links are followed only as long as they stay inside the root: the real path is
 * walked part by part, none of them through a link.
 * @param create folders under `below`, made when absent
 */
export async function openDirectory(
  root: string,
  below: readonly string[],
  create: readonly string[],
): Promise<Directory> {
  const real = await realpath(join(root, ...below));
  const realRoot = await rootOf(root, real);
  if (realRoot === null) throw deliveryFailed(`${join(root, ...below)} leads out of ${root} by a symbolic link`);
  let held = await hold(realRoot, realRoot);
  try {
    for (const part of relative(realRoot, real).split(sep)) if (part !== '') held = await into(held, part, false);
    for (const part of create) held = await into(held, part, true);
    return held;
  } catch (error) {
    await held.close();
    throw error;
  }
}

const realRoots = new Map<string, string>();

/** The real path of a root that `real` is inside; null when it is outside. A root that was moved is looked up again. */
async function rootOf(root: string, real: string): Promise<string | null> {
  const known = realRoots.get(root);
  if (known !== undefined && isInside(known, real)) return known;
  const found = await realpath(root);
  realRoots.set(root, found);
  return isInside(found, real) ? found : null;
}

/** Steps into a sub-folder; the parent stays open when that fails. */
async function into(parent: Directory, part: string, create: boolean): Promise<Directory> {
  const path = parent.at(part);
  const real = join(parent.real, part);
  let child: Directory;
  try {
    child = await hold(path, real);
  } catch (error) {
    if (codeOf(error) === 'ELOOP' || codeOf(error) === 'ENOTDIR')
      throw deliveryFailed(`${part} is no folder or is a symbolic link`, 'refuse', error);
    if (!create || codeOf(error) !== 'ENOENT') throw error;
    await mkdir(path).catch((fault) => {
      if (codeOf(fault) !== 'EEXIST') throw fault;
    });
    await parent.sync();
    child = await hold(path, real);
  }
  await parent.close();
  return child;
}

async function hold(path: string, real: string): Promise<Directory> {
  const handle = await open(path, DIRECTORY);
  const base = BY_HANDLE === null ? path : `${BY_HANDLE}/${handle.fd}`;
  return {
    at: (name) => `${base}/${name}`,
    real,
    sync: () => syncDirectory(real, handle),
    close: () => handle.close(),
  };
}

interface Syncs {
  running: Promise<void>;
  next: Promise<void> | null;
}

const syncing = new Map<string, Syncs>();

/** Syncs a directory, named by its real path; those who ask while one sync runs share the one after it. */
async function syncDirectory(key: string, handle: FileHandle): Promise<void> {
  const known = syncing.get(key);
  if (known !== undefined) {
    known.next ??= known.running.then(
      () => syncDirectory(key, handle),
      () => syncDirectory(key, handle),
    );
    return known.next;
  }
  const running = syncNow(handle).finally(() => syncing.delete(key));
  syncing.set(key, { running, next: null });
  return running;
}

/** Some file systems cannot sync a directory; they are taken as they are. */
async function syncNow(handle: FileHandle): Promise<void> {
  await handle.sync().catch((error) => {
    if (!['EINVAL', 'ENOTSUP', 'EPERM', 'EACCES', 'EBADF'].includes(codeOf(error))) throw error;
  });
}
