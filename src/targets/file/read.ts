import type { FileHandle } from 'node:fs/promises';
import { withRegularFile } from './regular-file.js';

const PIECE = 256 * 1024;

/** Reads a regular file; null when nothing (or nothing that is a regular file) has that name. */
export const readFile = <T>(
  path: string,
  take: (file: { readonly bytes: number; readonly stream: AsyncIterable<Uint8Array> }) => Promise<T>,
): Promise<T | null> => withRegularFile(path, (handle, bytes) => take({ bytes, stream: pieces(handle) }));

async function* pieces(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
