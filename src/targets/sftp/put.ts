import type { Stats } from 'ssh2';
import { temporaryName } from '../../gateway/delivery/file-name.js';
import { readSource } from '../../gateway/delivery/source.js';
import type { PutOptions, PutResult, SourceBody } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import { isLost, STATUS, statusOf } from './errors.js';
import type { Session } from './session.js';
import { type Digest, digestOpen, digestRemote, writeWindowed } from './transfer.js';

interface Sent {
  readonly bytes: number;
  readonly checksum: Uint8Array;
}

/**
 * Writes beside the final name, checks, and only then gives the final name.
 * @param again connects anew when an answer was lost
 * @param makeFolders called when the file could not be made: fails where the folder of the target itself is missing
 */
export async function putFile(
  session: Session,
  folder: string,
  file: string,
  body: SourceBody,
  options: PutOptions,
  again: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
  makeFolders: () => Promise<void> = async () => undefined,
): Promise<Omit<PutResult, 'location'>> {
  const temporary = `${folder}/${temporaryName(options.deliveryId, options.epoch)}`;
  const final = `${folder}/${file}`;
  const { handle, readable } = await createFresh(session, temporary, options.verify === 'readback', makeFolders);
  let open = true;
  try {
    const source = readSource(body, options);
    await writeWindowed(session, handle, source.stream);
    const sent = { bytes: source.bytes(), checksum: source.sha256() };
    const flushed = session.sync(handle);
    flushed.catch(() => undefined);
    const landed = readable ? await readBack(session, handle, sent.bytes, options.signal) : null;
    await flushed;
    open = false;
    await session.close(handle);
    const targetCheck = landed === null ? await check(session, temporary, sent, options) : requireSame(landed, sent);
    options.signal.throwIfAborted();
    try {
      await publish(session, temporary, final, sent, options);
    } catch (error) {
      if (!isLost(error) || !(await again((fresh) => isThere(fresh, final, sent, options.signal)))) throw error;
      await again((fresh) => removeQuietly(fresh, temporary));
    }
    return { ...sent, targetCheck };
  } catch (error) {
    if (open && session.isOpen()) await session.close(handle).catch(() => undefined);
    if (session.isOpen()) await removeQuietly(session, temporary);
    throw error;
  }
}

/** Servers that take no handle for both writing and reading. */
const oneWay = new WeakSet<Session>();

/** A file that is new, open for reading too where that is wanted and the server can. */
async function createFresh(
  session: Session,
  path: string,
  wanted: boolean,
  makeFolders: () => Promise<void>,
): Promise<{ readonly handle: Buffer; readonly readable: boolean }> {
  const readable = wanted && !oneWay.has(session);
  const create = async () => ({ handle: await session.open(path, readable ? 'wx+' : 'wx'), readable });
  try {
    return await create();
  } catch (error) {
    if (isLost(error)) throw error;
    await makeFolders();
    // A file of that very name is an earlier try of the same worker.
    if ((await session.lstat(path)) !== null) await session.remove(path);
    try {
      return await create();
    } catch (last) {
      if (!readable || isLost(last)) throw last;
      const handle = await session.open(path, 'wx');
      oneWay.add(session);
      return { handle, readable: false };
    }
  }
}

/** By the handle that wrote it; null where the server does not let it: then it is opened anew. */
async function readBack(session: Session, handle: Buffer, size: number, signal: AbortSignal): Promise<Digest | null> {
  try {
    return await digestOpen(session, handle, size, signal);
  } catch (error) {
    if (signal.aborted || isLost(error) || statusOf(error) === undefined) throw error;
    oneWay.add(session);
    return null;
  }
}

async function check(
  session: Session,
  path: string,
  sent: Sent,
  options: PutOptions,
): Promise<PutResult['targetCheck']> {
  const size = (await session.stat(path))?.size;
  if (size === undefined) throw deliveryFailed('the file was removed while it was being written', 'retry');
  if (size !== sent.bytes) throw deliveryFailed(`${sent.bytes} bytes were written and ${size} landed`, 'retry');
  if (options.verify === 'remote') return 'size';
  return requireSame(await digestRemote(session, path, size, options.signal), sent);
}

function requireSame(landed: Digest, sent: Sent): 'verified' {
  if (landed.bytes !== sent.bytes)
    throw deliveryFailed(`${sent.bytes} bytes were written and ${landed.bytes} landed`, 'retry');
  if (!Buffer.from(landed.checksum).equals(sent.checksum))
    throw deliveryFailed('what landed differs from what was sent (SHA-256)', 'retry');
  return 'verified';
}

async function publish(
  session: Session,
  temporary: string,
  final: string,
  sent: Sent,
  options: PutOptions,
): Promise<void> {
  if (!options.overwrite) {
    if (await keepExisting(session, final, sent, options.signal)) return session.remove(temporary);
    return session.rename(temporary, final);
  }
  if (session.posixRename) {
    try {
      return await session.replace(temporary, final);
    } catch (error) {
      if (isLost(error)) throw error;
      if (statusOf(error) !== STATUS.unsupported) {
        refuseFolder(await session.lstat(final), final);
        throw error;
      }
    }
  }
  const existing = await session.lstat(final);
  if (existing === null) return session.rename(temporary, final);
  refuseFolder(existing, final);
  await replaceInSteps(session, temporary, final);
}

function refuseFolder(found: Stats | null, final: string): void {
  if (found?.isDirectory()) throw deliveryFailed(`${final}: a directory of that name is in the way`);
}

/** Without an atomic replace: the old file steps aside and comes back if the new one cannot take its place. */
async function replaceInSteps(session: Session, temporary: string, final: string): Promise<void> {
  const aside = temporary.replace(/\.part$/, '0.part');
  await session.rename(final, aside);
  try {
    await session.rename(temporary, final);
  } catch (error) {
    if (session.isOpen()) await session.rename(aside, final);
    throw error;
  }
  await session.remove(aside);
}

/** True when equal content is there already; refuses other content. */
async function keepExisting(session: Session, final: string, sent: Sent, signal: AbortSignal): Promise<boolean> {
  const existing = await session.lstat(final);
  if (existing === null) return false;
  refuseFolder(existing, final);
  if (await isThere(session, final, sent, signal)) return true;
  throw deliveryFailed(`${final} exists with other content and must not be overwritten`);
}

async function isThere(session: Session, final: string, sent: Sent, signal: AbortSignal): Promise<boolean> {
  const found = await session.lstat(final);
  if (!found?.isFile() || found.size !== sent.bytes) return false;
  return Buffer.from((await digestRemote(session, final, found.size, signal)).checksum).equals(sent.checksum);
}

async function removeQuietly(session: Session, path: string): Promise<void> {
  await session.remove(path).catch(() => undefined);
}
