import { constants, type FileHandle, open } from 'node:fs/promises';
import { codeOf } from './errors.js';

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const PIECE = 256 * 1024;

/** Reads a regular file; null when nothing (or nothing that is a regular file) has that name. */
export async function readFile<T>(
  path: string,
  take: (file: { readonly bytes: number; readonly stream: AsyncIterable<Uint8Array> }) => Promise<T>,
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
    return await take({ bytes: stat.size, stream: pieces(handle) });
  } finally {
    await handle.close();
  }
}

async function* pieces(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
