import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { MpdError } from '../../src/mpd/index.js';

export interface CachedFile {
  readonly path: string;
  readonly bytes: number;
  /** Empty, and so like no other, where it was not asked for. */
  readonly sha256: Buffer;
}

export interface Receiver {
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Writes the bytes of a file, or gives a file of the cache that has them and takes its place. */
export type Make = (receiver: Receiver) => Promise<CachedFile | undefined> | Promise<void>;

export interface CacheOptions {
  readonly folder: string;
  readonly maxBytes: number;
}

/**
 * Files fetched from EDDS, by key. Only complete files are in it; one key is made once however many ask at the same time.
 * The longest unused go when there is no room. A cache: any file may be gone, and is then fetched again.
 */
export function fileCache(options: CacheOptions) {
  const { folder } = options;
  mkdirSync(folder, { recursive: true });
  const making = new Map<string, Promise<CachedFile>>();
  const known = new Map<string, CachedFile>();
  const fileOf = (key: string): string => join(folder, createHash('sha256').update(key).digest('hex'));

  const evict = async (room: number): Promise<void> => {
    const files = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        const found = await stat(path).catch(() => null);
        return found === null || name.endsWith('.part') ? null : { path, size: found.size, used: found.mtimeMs };
      }),
    );
    const present = files.filter((file) => file !== null).sort((a, b) => a.used - b.used);
    let total = present.reduce((sum, { size }) => sum + size, room);
    for (const { path, size } of present) {
      if (total <= options.maxBytes) return;
      await rm(path, { force: true });
      for (const [key, file] of known) if (file.path === path) known.delete(key);
      total -= size;
    }
  };

  const receive = async (key: string, make: Make, { isHashed = true } = {}): Promise<CachedFile> => {
    const path = fileOf(key);
    const temporary = `${path}.${randomUUID()}.part`;
    const hash = isHashed ? createHash('sha256') : null;
    let bytes = 0;
    // Whoever cleans temporary folders may have taken it.
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const handle = await open(temporary, 'wx', 0o600);
    const sink = bufferedSink(handle);
    let taken: CachedFile | undefined;
    try {
      const given = await make({
        write(chunk) {
          hash?.update(chunk);
          bytes += chunk.length;
          return sink.write(chunk);
        },
      });
      await sink.end();
      await handle.close();
      taken = given ?? undefined;
      await evict(bytes);
      await rename(taken?.path ?? temporary, path);
      if (taken !== undefined) await rm(temporary, { force: true });
    } catch (error) {
      await sink.end().catch(() => undefined);
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true });
      throw error;
    }
    const made = taken === undefined ? { path, bytes, sha256: hash?.digest() ?? Buffer.alloc(0) } : { ...taken, path };
    known.set(key, made);
    return made;
  };

  return {
    /** Puts a file under a key, whatever is there; `isHashed` false: nobody will ask for its sum. */
    receive,

    /** The file if it is there. */
    async get(key: string): Promise<CachedFile | null> {
      const file = known.get(key);
      if (file === undefined) return null;
      const now = new Date();
      const there = await utimes(file.path, now, now).then(
        () => true,
        () => false,
      );
      if (!there) known.delete(key);
      return there ? file : null;
    },

    /** The file, made when it is not there; shared by all who ask while it is being made. */
    async obtain(key: string, make: Make): Promise<CachedFile> {
      const there = await this.get(key);
      if (there !== null) return there;
      const under = making.get(key);
      if (under !== undefined) return under;
      const promise = receive(key, make).finally(() => making.delete(key));
      making.set(key, promise);
      return promise;
    },

    /** The file under this key goes to another one. */
    forget: (key: string): void => void known.delete(key),

    async drop(key: string): Promise<void> {
      known.delete(key);
      await rm(fileOf(key), { force: true });
    },

    /** The end of the cache and its folder. */
    async remove(): Promise<void> {
      known.clear();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type FileCache = ReturnType<typeof fileCache>;

/** A folder of this process below `folder`; those that processes which are gone have left are removed. */
export async function ownFolder(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (pid > 0 && pid !== process.pid && !isAlive(pid)) await rm(join(folder, name), { recursive: true, force: true });
  }
  return join(folder, `${process.pid}-${randomUUID()}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const WRITE_BYTES = 512 * 1024;

/** Writes in large pieces, one of them at a time while the next is collected; twice {@link WRITE_BYTES} are held at most. */
function bufferedSink(handle: FileHandle) {
  let pieces: Uint8Array[] = [];
  let size = 0;
  let writing: Promise<void> | null = null;
  let failure: Error | null = null;

  const flush = async (): Promise<void> => {
    await writing;
    if (failure !== null) throw failure;
    if (size === 0) return;
    const [batch, length] = [pieces, size];
    pieces = [];
    size = 0;
    writing = writeAll(handle, batch, length).catch((error: Error) => {
      failure = error;
    });
  };
  return {
    async write(chunk: Uint8Array): Promise<void> {
      pieces.push(chunk);
      size += chunk.length;
      if (size >= WRITE_BYTES) await flush();
    },
    async end(): Promise<void> {
      await flush();
      await writing;
      if (failure !== null) throw failure;
    },
  };
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], length: number): Promise<void> {
  const { bytesWritten } = await handle.writev([...pieces]);
  if (bytesWritten < length) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}

const CHUNK = 512 * 1024;

/** Bytes of a cached file. It is opened with the first read, so that a stream that nobody reads holds nothing. */
export function fileStream(file: CachedFile, signal: AbortSignal): AsyncIterable<Uint8Array> {
  let handle: FileHandle | null = null;
  let at = 0;
  let done = false;
  const close = async (): Promise<void> => {
    done = true;
    const open = handle;
    handle = null;
    await open?.close();
  };
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    async next() {
      if (done) return { done: true, value: undefined };
      try {
        signal.throwIfAborted();
        handle ??= await opened(file);
        const wanted = Math.min(CHUNK, file.bytes - at);
        if (wanted === 0) {
          await close();
          return { done: true, value: undefined };
        }
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(wanted), 0, wanted, at);
        if (bytesRead === 0) throw gone(`ends at ${at} of ${file.bytes} bytes`);
        at += bytesRead;
        return { done: false, value: buffer.subarray(0, bytesRead) };
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

async function opened(file: CachedFile): Promise<FileHandle> {
  try {
    return await open(file.path, 'r');
  } catch (error) {
    throw gone('had to make room for others', error);
  }
}

const gone = (how: string, cause?: unknown): MpdError =>
  new MpdError('Internal', { class: 'retry', message: `the file fetched from EDDS ${how}`, cause });
