import { randomBytes } from 'node:crypto';
import { checkRelativePath, isTemporaryName, splitPath, temporaryName } from '../../gateway/delivery/file-name.js';
import type { DeliveryTarget, ProbeResult, TargetConfig, TargetFactory } from '../../gateway/target.js';
import { deliveryFailed, isMpdError } from '../../mpd/index.js';
import type { Guard } from '../../net/guard.js';
import { foldersOf, locationOf } from '../account.js';
import { handOn, taken } from '../hand-on.js';
import { accountOf } from './account.js';
import { asDeliveryFailed, STATUS, sftpFault, statusOf } from './errors.js';
import { createPool, type PoolOptions } from './pool.js';
import { putFile } from './put.js';
import { readRemote } from './read.js';
import type { Session } from './session.js';
import { digestRemote } from './transfer.js';

/**
 * Files on SFTP servers: `sftp://host/absolute/folder`, or `sftp://host/~/folder` below the login's home. Credentials and the
 * pinned host key come from `targets.named` (`username`, `key` or `password`, `passphrase`, `hostKey: sha256:…`).
 */
export const createTarget: TargetFactory = async (config, { guard }) => sftpTarget(config, guard);

export function sftpTarget(config: TargetConfig, guard: Guard, options: PoolOptions = {}): DeliveryTarget {
  const pool = createPool(guard, options);

  const connected = <T>(uri: URL, work: (session: Session) => Promise<T>): Promise<T> => {
    guard.check(bare(uri));
    return pool.use(accountOf(uri, config), work);
  };

  /** Every failure becomes Delivery Failed with the path as the user knows it; at the signal its reason comes at once. */
  async function inFolder<T>(
    uri: URL,
    name: string,
    signal: AbortSignal,
    work: (session: Session, folder: string, file: string) => Promise<T>,
  ): Promise<T> {
    checkRelativePath(name);
    const { folders, file } = splitPath(name);
    const folder = [pathOf(uri), ...folders].join('/');
    try {
      return await connected(uri, (session) => withinGrace(session, signal, () => work(session, folder, file)));
    } catch (error) {
      throw signal.aborted ? signal.reason : asDeliveryFailed(error, `${bare(uri).href}`);
    }
  }

  return {
    schemes: ['sftp'],
    capabilities: { atomicRename: true, posixRename: true, resume: false, remoteChecksum: false },
    probe: (uri) => probe(uri, connected),
    async put(uri, name, body, put) {
      const sent = await inFolder(uri, name, put.signal, async (session, folder, file) => {
        const prepare = () => makeFolders(session, pathOf(uri), splitPath(name).folders);
        return putFile(session, folder, file, body, put, (work) => connected(uri, work), prepare);
      });
      return { ...sent, location: locationOf(uri, name) };
    },
    stat: (uri, name, { checksum, signal }) =>
      inFolder(uri, name, signal, async (session, folder, file) => {
        const found = await session.lstat(`${folder}/${file}`);
        if (!found?.isFile()) return null;
        const read = () => digestRemote(session, `${folder}/${file}`, found.size, signal);
        const digest = checksum ? (await read()).checksum : null;
        return { bytes: found.size, checksum: digest, location: locationOf(uri, name) };
      }),
    clean: (uri, name, deliveryId, signal) =>
      inFolder(uri, name, signal, async (session, folder) => {
        if ((await session.stat(folder)) === null) return;
        for (const found of await session.list(folder))
          if (isTemporaryName(found, deliveryId)) await session.remove(`${folder}/${found}`).catch(ignoreMissing);
      }),
    list: (uri, prefix, signal) =>
      inFolder(uri, 'x', signal, async (session, folder) => {
        if ((await session.stat(folder === '' ? '/' : folder)) === null) return [];
        return (await session.list(folder === '' ? '/' : folder)).filter((found) => found.startsWith(prefix)).sort();
      }),
    async read(uri, name, signal, take) {
      const found = await inFolder(uri, name, signal, async (session, folder, file) => {
        const stat = await session.lstat(`${folder}/${file}`);
        if (!stat?.isFile()) return null;
        return handOn(readRemote(session, `${folder}/${file}`, signal), (stream) =>
          take({ bytes: stat.size, location: locationOf(uri, name), stream }),
        );
      });
      return taken(found);
    },
    handOver(uri) {
      const where = bare(uri).href;
      const { host, port, username, password } = accountOf(uri, config);
      if (password === undefined)
        throw deliveryFailed(`${where}: its login is by key, which cannot be handed on; a password can`);
      if (pathOf(uri).startsWith('.')) throw deliveryFailed(`${where}: is relative to the home folder of the login`);
      return { scheme: 'sftp', host, port, directory: pathOf(uri) || '/', username, password: () => password };
    },
    async check() {
      const hosts = Object.values(config.named).filter((target) => /^sftp:/i.test(target.uri));
      const faults: string[] = [];
      for (const target of hosts) {
        const uri = new URL(target.uri);
        await connected(uri, async () => undefined).catch((error) =>
          faults.push(asDeliveryFailed(error, bare(uri).href).message),
        );
      }
      if (faults.length > 0) return { ok: false, reason: faults.join('; ') };
      return { ok: true, reason: `${hosts.length} named SFTP targets let the gateway log in` };
    },
    async close() {
      pool.close();
    },
  };
}

/** A server that does not answer so long after the signal is given up with its connection. */
const GRACE_MS = 2000;

async function withinGrace<T>(session: Session, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = setTimeout(() => session.end('now'), GRACE_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function bare(uri: URL): URL {
  const copy = new URL(uri);
  copy.username = '';
  copy.password = '';
  return copy;
}

/** Absolute, or relative to the login's home for `/~/…`; without a final slash. Delivery Failed of class `refuse` for a query or fragment. */
function pathOf(uri: URL): string {
  if (uri.search !== '' || uri.hash !== '')
    throw deliveryFailed(`${bare(uri).href} holds a query or fragment; write ? as %3F and # as %23`);
  const folders = foldersOf(uri);
  return folders[0] === '~' ? ['.', ...folders.slice(1)].join('/') : ['', ...folders].join('/');
}

/** Makes the sub-folders of a name; the folder of the URI must be there. */
async function makeFolders(session: Session, base: string, folders: readonly string[]): Promise<void> {
  if ((await session.stat(base === '' ? '/' : base)) === null)
    throw deliveryFailed(`${base}: no such directory`, 'retry');
  let path = base;
  for (const folder of folders) {
    path += `/${folder}`;
    const found = await session.stat(path);
    if (found?.isDirectory()) continue;
    if (found) throw deliveryFailed(`${path}: a part of the path is not a directory`);
    await session.makeFolder(path).catch(async (error) => {
      // Another delivery may have made it in the meantime.
      if (!(await session.stat(path))?.isDirectory()) throw error;
    });
  }
}

async function probe(
  uri: URL,
  connected: <T>(uri: URL, work: (session: Session) => Promise<T>) => Promise<T>,
): Promise<ProbeResult> {
  const where = bare(uri).href;
  try {
    const path = pathOf(uri);
    return await connected(uri, async (session): Promise<ProbeResult> => {
      const found = await session.stat(path === '' ? '/' : path);
      if (found === null) return { status: 'notYet', reason: `${where}: no such directory` };
      if (!found.isDirectory()) return { status: 'refused', reason: `${where}: is not a directory` };
      const trial = `${path}/${temporaryName(`probe_${randomBytes(8).toString('hex')}`, 0)}`;
      const handle = await session.open(trial, 'wx');
      try {
        await session.write(handle, Buffer.alloc(1), 0);
      } finally {
        await session.close(handle);
        await session.remove(trial);
      }
      return { status: 'ok' };
    });
  } catch (error) {
    if (isMpdError(error))
      return { status: error.class === 'target-down' ? 'notYet' : 'refused', reason: error.message };
    const [, reason] = sftpFault(error);
    const never = statusOf(error) === STATUS.permissionDenied || isRefusedLogin(error);
    return { status: never ? 'refused' : 'notYet', reason: `${where}: ${reason}` };
  }
}

const isRefusedLogin = (error: unknown): boolean =>
  (error as { readonly level?: string }).level === 'client-authentication' || /host key/.test((error as Error).message);

function ignoreMissing(error: unknown): void {
  if (statusOf(error) !== STATUS.noSuchFile) throw error;
}
