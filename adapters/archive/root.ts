import { constants, type Dirent } from 'node:fs';
import { access, type FileHandle, lstat, open, opendir, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { clampTime } from '../../src/mal/index.js';

/** What identifies the content of a file without reading it. */
export interface FileStat {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** As 64 signed bits, which is what the database holds. */
  readonly inode: bigint;
}

export const sameStat = (
  a: Pick<FileStat, 'size' | 'mtimeNs' | 'inode'>,
  b: Pick<FileStat, 'size' | 'mtimeNs' | 'inode'>,
): boolean => a.size === b.size && a.mtimeNs === b.mtimeNs && a.inode === b.inode;

export type Found =
  | { readonly kind: 'file'; readonly stat: FileStat }
  | { readonly kind: 'folder' }
  /** `refused`: a link out of the root, a link to a folder, a device, a socket …; says why. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'absent' };

/** The folder tree. Paths are relative to it, with `/`. */
export interface Root {
  readonly path: string;
  /** null = usable; else why its content cannot be believed now. `known` = how many products it should have. */
  problem(known: bigint): Promise<string | null>;
  look(path: string): Promise<Found>;
  /** What a folder holds; fails when it cannot be read. */
  entries(folder: string): Promise<readonly Dirent[]>;
  /** Opens a regular file inside the root; the handle is checked, not only the name. */
  open(path: string): Promise<{ readonly handle: FileHandle; readonly stat: FileStat }>;
}

/** A file that may not be opened; the name leads out of the root or to something that is no file. */
export class RefusedFile extends Error {}

export function archiveRoot(
  path: string,
  options: { readonly allowEmpty: boolean; readonly marker: string | null },
): Root {
  const inside = async (target: string): Promise<boolean> => {
    const real = await realpath(path);
    return target.startsWith(real.endsWith(sep) ? real : `${real}${sep}`);
  };
  return {
    path,
    entries: (folder) => readdir(join(path, folder), { withFileTypes: true }),
    problem: (known) => rootProblem(path, options, known),
    async look(relative) {
      const full = join(path, relative);
      try {
        let info = await lstat(full, { bigint: true });
        if (info.isSymbolicLink()) {
          if (!(await inside(await realpath(full)))) return refused('a link out of the archive folder');
          info = await stat(full, { bigint: true });
          if (!info.isFile()) return refused('a link to something that is no file');
        }
        if (info.isDirectory()) return { kind: 'folder' };
        return info.isFile() ? { kind: 'file', stat: fileStat(info) } : refused('no regular file');
      } catch (error) {
        if (isAbsent(error)) return { kind: 'absent' };
        throw error;
      }
    },
    async open(relative) {
      const full = join(path, relative);
      // Without O_NONBLOCK a pipe under this name would be waited for.
      const handle = await open(full, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const info = await handle.stat({ bigint: true });
        if (!info.isFile()) throw new RefusedFile(`${relative} is no regular file`);
        if (!(await inside(await pathOfHandle(handle, full, info)))) {
          throw new RefusedFile(`${relative} leads out of the archive folder`);
        }
        return { handle, stat: fileStat(info) };
      } catch (error) {
        await handle.close();
        throw error;
      }
    },
  };
}

const refused = (reason: string): Found => ({ kind: 'refused', reason });

export const fileStat = (info: { size: bigint; mtimeNs: bigint; ctimeNs: bigint; ino: bigint }): FileStat => ({
  size: info.size,
  // File systems know times that no MAL time holds.
  mtimeNs: clampTime(info.mtimeNs),
  ctimeNs: info.ctimeNs,
  inode: BigInt.asIntN(64, info.ino),
});

export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP';
}

/** Where an open file really lies: by the kernel's word on Linux, elsewhere by the name as long as it still is this file. */
async function pathOfHandle(handle: FileHandle, full: string, info: { dev: bigint; ino: bigint }): Promise<string> {
  if (process.platform === 'linux') {
    const target = await readlink(`/proc/self/fd/${handle.fd}`);
    return target.endsWith(' (deleted)') && !(await sameFile(target, info)) ? target.slice(0, -10) : target;
  }
  const target = await realpath(full);
  if (!(await sameFile(target, info))) throw new RefusedFile(`${full} was replaced while it was opened`);
  return target;
}

async function sameFile(path: string, info: { dev: bigint; ino: bigint }): Promise<boolean> {
  try {
    const found = await lstat(path, { bigint: true });
    return found.dev === info.dev && found.ino === info.ino;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

async function rootProblem(
  path: string,
  { allowEmpty, marker }: { readonly allowEmpty: boolean; readonly marker: string | null },
  known: bigint,
): Promise<string | null> {
  try {
    const info = await stat(path);
    if (!info.isDirectory()) return `${path} is no folder`;
    await access(path, constants.R_OK | constants.X_OK);
    if (marker !== null) {
      const there = await look(join(path, marker));
      return there
        ? null
        : `the marker ${marker} is not in ${path}: the share may not be mounted; nothing is taken for removed`;
    }
    if (allowEmpty || known === 0n) return null;
    const folder = await opendir(path);
    try {
      if ((await folder.read()) !== null) return null;
    } finally {
      await folder.close();
    }
    return `${path} is empty although ${known} products are known: the share may not be mounted; nothing is taken for removed (allowEmpty or a marker says otherwise)`;
  } catch (error) {
    if (isAbsent(error)) return `the folder ${path} does not exist`;
    return `the folder ${path} cannot be read: ${(error as Error).message}`;
  }
}

async function look(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
