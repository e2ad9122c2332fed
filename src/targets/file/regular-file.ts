import { constants, type FileHandle, open } from 'node:fs/promises';
import { codeOf } from './errors.js';

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Opens a regular file for as long as it is used; null when nothing (or nothing that is a regular file) has that name. */
export async function withRegularFile<T>(
  path: string,
  use: (handle: FileHandle, bytes: number) => Promise<T>,
): Promise<T | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, READ);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error))) return null;
    throw error;
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) return null;
    return await use(handle, stat.size);
  } finally {
    await handle.close();
  }
}
