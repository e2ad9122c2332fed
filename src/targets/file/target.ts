import { randomBytes } from 'node:crypto';
import { access, constants, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Health } from '../../gateway/backend.js';
import { checkRelativePath, isTemporaryName, splitPath, temporaryName } from '../../gateway/delivery/file-name.js';
import type { DeliveryTarget, ProbeResult, TargetFactory } from '../../gateway/target.js';
import { isMpdError } from '../../mpd/index.js';
import { handOn, taken } from '../hand-on.js';
import { type Directory, openDirectory } from './directory.js';
import { asDeliveryFailed, codeOf, fileFault } from './errors.js';
import { digestFile, putFile } from './put.js';
import { readFile } from './read.js';
import { configuredRoots, locate, pathOf } from './roots.js';

/** Files below the folders that the configuration names: `allow: [{ scheme: file, root }]`, and named `file:` targets. */
export const createTarget: TargetFactory = async (config) => fileTarget(configuredRoots(config));

export function fileTarget(roots: readonly string[]): DeliveryTarget {
  /** Runs with the folder of `name` open; every failure becomes Delivery Failed with the path as the user knows it. */
  async function inFolder<T>(
    uri: URL,
    name: string,
    options: { readonly create: boolean; readonly signal: AbortSignal },
    work: (directory: Directory, file: string) => Promise<T>,
  ): Promise<T> {
    const { root, below } = locate(uri, roots);
    checkRelativePath(name);
    const { folders, file } = splitPath(name);
    try {
      const directory = await openDirectory(
        root,
        options.create ? below : [...below, ...folders],
        options.create ? folders : [],
      );
      try {
        return await work(directory, file);
      } finally {
        await directory.close();
      }
    } catch (error) {
      throw options.signal.aborted ? options.signal.reason : asDeliveryFailed(error, join(root, ...below, ...folders));
    }
  }
  const location = (uri: URL, name: string): string => pathToFileURL(join(pathOf(uri, 'deliverTo'), name)).href;

  return {
    schemes: ['file'],
    capabilities: { atomicRename: true, posixRename: true, resume: false, remoteChecksum: true },
    probe: (uri) => probe(uri, roots),
    async put(uri, name, body, options) {
      const sent = await inFolder(uri, name, { create: true, signal: options.signal }, (directory, file) =>
        putFile(directory, file, body, options),
      );
      return { ...sent, location: location(uri, name) };
    },
    async stat(uri, name, options) {
      try {
        const found = await inFolder(uri, name, { create: false, signal: options.signal }, (directory, file) =>
          digestFile(directory.at(file), options),
        );
        return found === null ? null : { ...found, location: location(uri, name) };
      } catch (error) {
        if (isMpdError(error) && codeOf(error.cause) === 'ENOENT') return null;
        throw error;
      }
    },
    async clean(uri, name, deliveryId, signal) {
      try {
        await inFolder(uri, name, { create: false, signal }, async (directory) => {
          for (const found of await readdir(directory.at('.')))
            if (isTemporaryName(found, deliveryId)) await unlink(directory.at(found)).catch(ignoreMissing);
        });
      } catch (error) {
        if (!isMpdError(error) || codeOf(error.cause) !== 'ENOENT') throw error;
      }
    },
    async list(uri, prefix, signal) {
      try {
        return await inFolder(uri, 'x', { create: false, signal }, async (directory) =>
          (await readdir(directory.at('.'))).filter((found) => found.startsWith(prefix)).sort(),
        );
      } catch (error) {
        if (isMpdError(error) && codeOf(error.cause) === 'ENOENT') return [];
        throw error;
      }
    },
    async read(uri, name, signal, take) {
      try {
        const found = await inFolder(uri, name, { create: false, signal }, (directory, file) =>
          readFile(directory.at(file), ({ bytes, stream }) =>
            handOn(stream, (given) => take({ bytes, stream: given, location: location(uri, name) })),
          ),
        );
        return taken(found);
      } catch (error) {
        if (isMpdError(error) && codeOf(error.cause) === 'ENOENT') return null;
        throw error;
      }
    },
    handOver(uri) {
      const { root, below } = locate(uri, roots);
      const directory = join(root, ...below);
      return { scheme: 'file', host: null, port: null, directory, username: null, password: () => null };
    },
    check: () => checkRoots(roots),
    close: async () => undefined,
  };
}

async function probe(uri: URL, roots: readonly string[]): Promise<ProbeResult> {
  let path = uri.href;
  try {
    const { root, below } = locate(uri, roots);
    path = join(root, ...below);
    const directory = await openDirectory(root, below, []);
    try {
      const trial = directory.at(temporaryName(`probe_${randomBytes(8).toString('hex')}`, 0));
      const handle = await open(trial, 'wx');
      try {
        await handle.write(new Uint8Array(1));
        await handle.sync();
      } finally {
        await handle.close();
        await unlink(trial);
      }
    } finally {
      await directory.close();
    }
    return { status: 'ok' };
  } catch (error) {
    if (isMpdError(error)) return { status: 'refused', reason: error.message };
    return { status: LATER.includes(codeOf(error)) ? 'notYet' : 'refused', reason: `${path}: ${fileFault(error)[1]}` };
  }
}

const LATER = ['ENOENT', 'ENOSPC', 'EDQUOT', 'EIO', 'ESTALE', 'EMFILE', 'ENFILE', 'EBUSY'];

async function checkRoots(roots: readonly string[]): Promise<Health> {
  const faults: string[] = [];
  for (const root of roots) {
    try {
      if (!(await stat(root)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
      await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      faults.push(`${root}: ${fileFault(error)[1]}`);
    }
  }
  if (faults.length > 0)
    return { ok: false, reason: `${faults.join('; ')}: create the folder or give this user the right to write` };
  return { ok: true, reason: roots.length === 0 ? 'no folder is configured' : `${roots.join(', ')} can be written` };
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}
