// @ts-check
/**
 * A delivery target of your own, whole: files are stored compressed, `gzip://vault/in` below the folder of `vault`. Use it as
 *
 *   targets:
 *     modules: [./gzip-target.js]
 *     allow: [{ scheme: gzip, host: vault, root: /srv/vault }]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, link, mkdir, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { deliveryFailed, MpdError } from 'mpd-gateway/target';

/** @typedef {import('mpd-gateway/target').DeliveryTarget} DeliveryTarget */

/** @type {import('mpd-gateway/target').TargetFactory} */
export async function createTarget({ allow }, { log }) {
  const roots = new Map(
    allow.filter(({ scheme }) => scheme === 'gzip').map(({ host, root }) => [String(host), String(root)]),
  );

  /** The folder that a URI names; MpdError of class `refuse` when nobody allowed it. */
  function folderOf(uri) {
    const root = roots.get(uri.hostname);
    if (root === undefined) throw deliveryFailed(`targets.allow has no gzip host ${uri.hostname}`);
    const parts = uri.pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
    return { root, folder: join(root, ...parts.map(plain)) };
  }

  /** Where a file lies; the folder is made when asked for, and must lie inside the root with all links followed. */
  async function placeOf(uri, name, make) {
    const { root, folder } = folderOf(uri);
    const path = join(folder, ...name.split('/').map(plain));
    if (make) {
      await stat(folder);
      await mkdir(dirname(path), { recursive: true });
    }
    const [real, inside] = await Promise.all([realpath(dirname(path)), realpath(root)]);
    if (real !== inside && !real.startsWith(inside + sep)) throw deliveryFailed(`${name} leads out of ${root}`);
    return {
      folder: dirname(path),
      path: `${path}.gz`,
      location: new URL(`${uri.href.replace(/\/$/, '')}/${encoded(name)}`).href,
    };
  }

  return {
    schemes: ['gzip'],
    capabilities: { atomicRename: true, posixRename: true, resume: false, remoteChecksum: false },

    async probe(uri) {
      try {
        const { folder } = folderOf(uri);
        await access(folder, constants.W_OK | constants.X_OK);
        return { status: 'ok' };
      } catch (error) {
        const status = error instanceof MpdError || error.code === 'EACCES' ? 'refused' : 'notYet';
        return { status, reason: error.message };
      }
    },

    async put(uri, name, { size, stream }, { overwrite, deliveryId, epoch, signal, progress }) {
      let temporary;
      try {
        const { folder, path, location } = await placeOf(uri, name, true);
        temporary = join(folder, `.mpd-${deliveryId}-${epoch}.part`);
        const hash = createHash('sha256');
        let bytes = 0;
        const counted = async function* () {
          for await (const chunk of abortable(stream, signal)) {
            hash.update(chunk);
            bytes += chunk.length;
            if (size !== null && bytes > size)
              throw deliveryFailed(`the source sends more than ${size} bytes`, 'retry');
            yield chunk;
            progress?.(bytes);
          }
          if (size !== null && bytes < size)
            throw deliveryFailed(`the source ended after ${bytes} of ${size} bytes`, 'retry');
        };
        const file = await open(temporary, 'w');
        await pipeline(counted, createGzip({ level: 1 }), file.createWriteStream({ flush: true }));
        const checksum = hash.digest();
        const stored = await readBack(temporary).catch((error) => ({ checksum: null, reason: error.message }));
        if (stored.checksum === null || !checksum.equals(stored.checksum))
          throw deliveryFailed('what was stored differs from what was sent (SHA-256)', 'retry');
        signal.throwIfAborted();
        if (overwrite) await rename(temporary, path);
        else await putNew(temporary, path, checksum);
        return { location, bytes, checksum, targetCheck: 'verified' };
      } catch (error) {
        if (temporary !== undefined) await rm(temporary, { force: true });
        throw faultOf(error);
      }
    },

    async stat(uri, name, { checksum }) {
      try {
        const { path, location } = await placeOf(uri, name, false);
        const stored = await readBack(path);
        return { bytes: stored.bytes, checksum: checksum ? stored.checksum : null, location };
      } catch (error) {
        if (isAbsent(error)) return null;
        throw faultOf(error);
      }
    },

    async clean(uri, name, deliveryId) {
      const { folder } = await placeOf(uri, name, false).catch((error) => {
        if (isAbsent(error)) return { folder: null };
        throw faultOf(error);
      });
      const names = folder === null ? [] : await readdir(folder);
      const own = names.filter((each) => each.startsWith(`.mpd-${deliveryId}-`) && /-\d+\.part$/.test(each));
      for (const each of own) await rm(join(String(folder), each), { force: true });
    },

    async check() {
      for (const [host, root] of roots) {
        const fault = await access(root, constants.W_OK).then(
          () => null,
          (error) => error,
        );
        if (fault !== null) {
          log.debug({ err: fault }, 'a folder of the gzip target cannot be used');
          return { ok: false, reason: `gzip://${host}: ${root} cannot be written to: ${fault.message}` };
        }
      }
      return { ok: true, reason: `${roots.size} folders can be written to` };
    },

    async close() {},
  };
}

/** One part of a path, or a refusal. */
function plain(part) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (part === '' || part === '.' || part === '..' || part.startsWith('.mpd-') || /[/\\\x00-\x1f]/.test(part))
    throw deliveryFailed(`${JSON.stringify(part)} cannot be part of a path`);
  return part;
}

const encoded = (name) => name.split('/').map(encodeURIComponent).join('/');

const isAbsent = (error) => error.code === 'ENOENT' || error.code === 'ENOTDIR';

/** Faults of the disk as the gateway sorts them: none of them is the fault of the request, except rights. */
function faultOf(error) {
  if (error instanceof MpdError || error.code === undefined || error.name === 'AbortError') return error;
  const refused = ['EACCES', 'EPERM', 'ENAMETOOLONG', 'EISDIR'].includes(error.code);
  return deliveryFailed(error.message, refused ? 'refuse' : 'retry', error);
}

/** Ends a silent source at once when the signal aborts. */
async function* abortable(stream, signal) {
  const iterator = stream[Symbol.asyncIterator]();
  let stop = () => {};
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  aborted.catch(() => undefined);
  try {
    signal.throwIfAborted();
    for (;;) {
      const { done, value } = await Promise.race([iterator.next(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not waited for: a source that says nothing does not end either.
    iterator.return?.()?.catch?.(() => undefined);
  }
}

async function readBack(path) {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(path), createGunzip(), async (chunks) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { bytes, checksum: hash.digest() };
}

/** The final name only where nothing lies, or the same. */
async function putNew(temporary, path, checksum) {
  try {
    await link(temporary, path);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const there = await readBack(path);
    if (!there.checksum.equals(checksum)) throw deliveryFailed(`${basename(path)} exists with other content`);
  }
  await rm(temporary);
}
