import { temporaryName } from '../../gateway/delivery/file-name.js';
import { readSource } from '../../gateway/delivery/source.js';
import type { PutOptions, PutResult, SourceBody } from '../../gateway/target.js';
import { deliveryFailed } from '../../mpd/index.js';
import { isLost, STATUS, statusOf } from './errors.js';
import type { Session } from './session.js';
import { digestRemote, writeWindowed } from './transfer.js';

interface Sent {
  readonly bytes: number;
  readonly checksum: Uint8Array;
}

/** Writes beside the final name, checks, and only then gives the final name. `again` connects anew when an answer was lost. */
export async function putFile(
  session: Session,
  folder: string,
  file: string,
  body: SourceBody,
  options: PutOptions,
  again: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
): Promise<Omit<PutResult, 'location'>> {
  const temporary = `${folder}/${temporaryName(options.deliveryId, options.epoch)}`;
  const final = `${folder}/${file}`;
  if ((await session.lstat(final))?.isDirectory())
    throw deliveryFailed(`${final}: a directory of that name is in the way`);
  const handle = await createFresh(session, temporary);
  let open = true;
  try {
    const source = readSource(body, options);
    await writeWindowed(session, handle, source.stream);
    await session.sync(handle);
    open = false;
    await session.close(handle);
    const sent = { bytes: source.bytes(), checksum: source.sha256() };
    const targetCheck = await check(session, temporary, sent, options);
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

/** A file of that very name is an earlier try of the same worker. */
async function createFresh(session: Session, path: string): Promise<Buffer> {
  try {
    return await session.open(path, 'wx');
  } catch (error) {
    if (isLost(error) || (await session.lstat(path)) === null) throw error;
    await session.remove(path);
    return session.open(path, 'wx');
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
  const landed = await digestRemote(session, path, size, options.signal);
  if (landed.bytes !== sent.bytes || !Buffer.from(landed.checksum).equals(sent.checksum))
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
      if (statusOf(error) !== STATUS.unsupported) throw error;
    }
  }
  if ((await session.lstat(final)) === null) return session.rename(temporary, final);
  await replaceInSteps(session, temporary, final);
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
  if ((await session.lstat(final)) === null) return false;
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
