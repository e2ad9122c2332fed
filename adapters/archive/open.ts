import type { FileHandle } from 'node:fs/promises';
import type { Body, OpenOptions } from '../../src/gateway/backend.js';
import { invalid, MpdError, unknown } from '../../src/mpd/index.js';
import { claimOf, type FileRow, revisionOf } from './entry.js';
import { type FileStat, fileStat, isAbsent, RefusedFile, type Root, sameStat } from './root.js';

const CHUNK = 128 * 1024;

/**
 * The bytes of an indexed file. A file that is no longer what the index says is an error of class `retry`: the index follows,
 * and then tells whether the content is another one. @param suspect told of every path that is not as the index says
 */
export async function openFile(
  root: Root,
  row: FileRow,
  { revision, offset, signal }: OpenOptions,
  suspect: (path: string) => void,
): Promise<Body> {
  const current = revisionOf(row);
  if (revision !== null && revision !== current) throw unknown(null, `${row.path} has another content now`);
  if (offset < 0 || !Number.isSafeInteger(offset) || BigInt(offset) > row.size) {
    throw invalid('offset', `${offset} is not within the ${row.size} bytes of ${row.path}`);
  }
  signal.throwIfAborted();
  const { handle, stat } = await openChecked(root, row, suspect);
  if (!sameStat(stat, indexed(row))) {
    await handle.close();
    suspect(row.path);
    throw changed(row.path, 'is not what the index says');
  }
  return {
    revision: current,
    size: Number(row.size),
    claim: claimOf(row),
    stream: bytes(handle, row, offset, signal, suspect),
  };
}

const indexed = (row: FileRow): Pick<FileStat, 'size' | 'mtimeNs' | 'inode'> => ({
  size: row.size,
  mtimeNs: row.mtime_ns,
  inode: row.inode,
});

const changed = (path: string, how: string): MpdError =>
  new MpdError('Unknown', { class: 'retry', message: `${path} ${how}: it is being changed` });

async function openChecked(root: Root, row: FileRow, suspect: (path: string) => void) {
  try {
    return await root.open(row.path);
  } catch (error) {
    suspect(row.path);
    if (isAbsent(error)) throw unknown(null, `${row.path} is no longer there`);
    if (error instanceof RefusedFile) throw unknown(null, error.message);
    throw new MpdError('Internal', {
      class: 'retry',
      message: `${row.path} cannot be opened: ${(error as Error).message}`,
      cause: error,
    });
  }
}

/** Not a generator: one that is returned before its first step would never close the file. */
function bytes(
  handle: FileHandle,
  row: FileRow,
  offset: number,
  signal: AbortSignal,
  suspect: (path: string) => void,
): AsyncIterable<Uint8Array> {
  const size = Number(row.size);
  let at = offset;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= handle.close();
    return closed;
  };
  const fail = (how: string): never => {
    suspect(row.path);
    throw changed(row.path, how);
  };
  const step = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    if (closed !== undefined) return { done: true, value: undefined };
    signal.throwIfAborted();
    const wanted = Math.min(CHUNK, size - at);
    if (wanted > 0) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(wanted), 0, wanted, at);
      if (bytesRead === 0) fail(`ends at byte ${at} of ${size}`);
      at += bytesRead;
      if (at < size) return { done: false, value: buffer.subarray(0, bytesRead) };
      await verify();
      return { done: false, value: buffer.subarray(0, bytesRead) };
    }
    if (size === offset) await verify();
    await close();
    return { done: true, value: undefined };
  };
  /** Before the last bytes are handed out, so that nobody holds a whole that was never one. */
  const verify = async (): Promise<void> => {
    const now = fileStat(await handle.stat({ bigint: true }));
    if (!sameStat(now, indexed(row))) fail('changed while it was read');
  };
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    async next() {
      try {
        return await step();
      } catch (error) {
        await close();
        throw error;
      }
    },
    async return() {
      await close();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
