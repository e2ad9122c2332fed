import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Account } from './account.js';

/** Where the embedded server keeps things. `base` differs from `dir` only when the server's account cannot reach `dir`. */
export interface Layout {
  readonly dir: string;
  readonly base: string;
  /** PostgreSQL's own data folder. */
  readonly data: string;
  /** Folder of the server's socket, short enough for a socket address. */
  readonly sockets: string;
  readonly password: string;
  readonly log: string;
  readonly runtime: string;
}

/** `sun_path` is 104 bytes on macOS, 108 on Linux. */
const SOCKET_PATH_MAX = 103;

/** Link from `dir` to `base` when they differ. */
export const ELSEWHERE = 'elsewhere';

/**
 * Folders for `dir`, made when absent. As root the server runs as `account`, which must be able to reach its files: under a
 * closed parent (such as /root) they are kept in /var/lib/mpd-gateway and linked from `dir`.
 */
export function prepareLayout(dir: string, account: Account): Layout {
  letPass(dir, account);
  const base = reachable(dir, account) ? dir : elsewhere(dir, account);
  const layout = layoutOf(dir, base);
  makeOwned(layout.sockets, account);
  return layout;
}

/** Folders of a server that exists. */
export function existingLayout(dir: string): Layout {
  const link = join(dir, ELSEWHERE);
  return layoutOf(dir, existsSync(link) ? readlinkSync(link) : dir);
}

function layoutOf(dir: string, base: string): Layout {
  return {
    dir,
    base,
    data: join(base, 'data'),
    sockets: socketFolder(base, 'run', '.s.PGSQL.5432'),
    password: join(base, 'password'),
    log: join(base, 'server.log'),
    runtime: join(base, 'runtime'),
  };
}

/** `parent/name`, or a folder with a short name when a socket called `socket` in it would be too long for an address. */
export function socketFolder(parent: string, name: string, socket: string): string {
  const wanted = join(parent, name);
  if (Buffer.byteLength(join(wanted, socket)) <= SOCKET_PATH_MAX) return wanted;
  return join(tmpdir(), `mpd-${name}-${fingerprint(parent)}`);
}

/** Makes a folder that only `account` (or this process's user) may enter; one that somebody else put there is refused. */
export function makeOwned(path: string, account: Account): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  const self = process.getuid?.() ?? found.uid;
  const owner = account.uid ?? self;
  if (!found.isDirectory() || (found.uid !== self && found.uid !== owner))
    throw new Error(`${path} belongs to another user; remove it or choose another store.dir`);
  if (account.uid !== undefined && account.gid !== undefined) chownSync(path, account.uid, account.gid);
}

/** Whether every folder on the way to `path` lets `account` pass. */
export function reachable(path: string, account: Account): boolean {
  if (account.uid === undefined) return true;
  for (let at = resolve(path); ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** `dir` is ours: the server's account may go through it. What lies in it is closed by itself. */
function letPass(dir: string, account: Account): void {
  const { mode, uid } = statSync(dir);
  if (account.uid !== undefined && uid === process.getuid?.()) chmodSync(dir, (mode & 0o7777) | 0o011);
}

function elsewhere(dir: string, account: Account): string {
  const link = join(dir, ELSEWHERE);
  if (lstatSync(link, { throwIfNoEntry: false })) {
    const known = readlinkSync(link);
    if (existsSync(known)) return known;
    throw new Error(
      `the files of the embedded database of ${dir} were kept in ${known}, which is gone: bring it back, or remove ${link} to begin with an empty store`,
    );
  }
  const base = join('/var/lib/mpd-gateway', fingerprint(dir));
  mkdirSync(base, { recursive: true, mode: 0o755 });
  if (!reachable(base, account))
    throw new Error(
      `the embedded database runs as user ${account.name}, who can reach neither ${dir} nor ${base}: set store.dir to a folder open to that user, or store.url`,
    );
  symlinkSync(base, link);
  return base;
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
