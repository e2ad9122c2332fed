import { createHash } from 'node:crypto';
import { constants, type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { temporaryName } from '../../gateway/delivery/file-name.js';
import { readSource } from '../../gateway/delivery/source.js';
import type { PutOptions, PutResult, SourceBody } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import type { Directory } from './directory.js';
import { codeOf } from './errors.js';
import { withRegularFile } from './regular-file.js';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const READ_SIZE = 512 * 1024;

/** Writes beside the final name, checks, and only then gives the final name. */
export async function putFile(
  directory: Directory,
  file: string,
  body: SourceBody,
  options: PutOptions,
): Promise<Omit<PutResult, 'location'>> {
  const temporary = directory.at(temporaryName(options.deliveryId, options.epoch));
  const handle = await createFresh(temporary);
  try {
    const source = readSource(body, options);
    await writeAll(handle, source.stream);
    const result = { bytes: source.bytes(), checksum: source.sha256() };
    const targetCheck = await check(temporary, result, options);
    options.signal.throwIfAborted();
    await publish(temporary, directory.at(file), file, result, options.overwrite);
    await directory.sync();
    return { ...result, targetCheck };
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** SHA-256 and size of a regular file, null when nothing (or nothing that is a regular file) has that name. */
export const digestFile = (
  path: string,
  options: { readonly checksum: boolean; readonly signal: AbortSignal },
): Promise<{ readonly bytes: number; readonly checksum: Uint8Array | null } | null> =>
  withRegularFile(path, async (handle, bytes) => ({
    bytes,
    checksum: options.checksum ? await digest(handle, bytes, options.signal) : null,
  }));

/** A file of that very name is an earlier try of the same worker. */
async function createFresh(path: string): Promise<FileHandle> {
  try {
    return await open(path, CREATE, 0o666);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    await unlink(path);
    return open(path, CREATE, 0o666);
  }
}

async function writeAll(handle: FileHandle, stream: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function check(
  path: string,
  sent: { readonly bytes: number; readonly checksum: Uint8Array },
  options: PutOptions,
): Promise<PutResult['targetCheck']> {
  const checksum = options.verify === 'readback';
  const landed = await digestFile(path, { checksum, signal: options.signal });
  if (landed === null) throw deliveryFailed('the file was removed while it was being written', 'retry');
  if (landed.bytes !== sent.bytes)
    throw deliveryFailed(`${sent.bytes} bytes were written and ${landed.bytes} landed`, 'retry');
  if (landed.checksum === null) return 'size';
  if (!Buffer.from(landed.checksum).equals(sent.checksum))
    throw deliveryFailed('what landed differs from what was sent (SHA-256)', 'retry');
  return 'verified';
}

async function publish(
  temporary: string,
  final: string,
  file: string,
  sent: { readonly bytes: number; readonly checksum: Uint8Array },
  overwrite: boolean,
): Promise<void> {
  if (overwrite) return rename(temporary, final);
  try {
    await link(temporary, final);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') await requireEqual(final, file, sent);
    else if (!NO_LINKS.includes(codeOf(error))) throw error;
    else if (await lstat(final).catch(() => null)) await requireEqual(final, file, sent);
    else return rename(temporary, final);
  }
  await unlink(temporary);
}

/** File systems without hard links; the ledger's one sender per path stands in for them. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

async function requireEqual(
  final: string,
  file: string,
  sent: { readonly bytes: number; readonly checksum: Uint8Array },
) {
  const found = await digestFile(final, { checksum: true, signal: new AbortController().signal });
  if (found?.bytes === sent.bytes && found.checksum !== null && Buffer.from(found.checksum).equals(sent.checksum))
    return;
  throw deliveryFailed(`${file} exists with other content and must not be overwritten`);
}

/** Reads `size` bytes (fewer when the file shrinks), ahead into a second buffer while the first is hashed. */
async function digest(handle: FileHandle, size: number, signal: AbortSignal): Promise<Uint8Array> {
  const hash = createHash('sha256');
  const length = Math.min(READ_SIZE, size);
  const buffers = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length < size ? length : 0)] as const;
  const read = (turn: 0 | 1, left: number) => handle.read(buffers[turn], 0, Math.min(length, left), null);
  let turn: 0 | 1 = 0;
  let left = size;
  let pending = left > 0 ? read(turn, left) : null;
  while (pending !== null) {
    const { bytesRead } = await pending;
    signal.throwIfAborted();
    const filled = buffers[turn].subarray(0, bytesRead);
    left -= bytesRead;
    turn = turn === 0 ? 1 : 0;
    pending = bytesRead > 0 && left > 0 ? read(turn, left) : null;
    hash.update(filled);
  }
  return new Uint8Array(hash.digest());
}
