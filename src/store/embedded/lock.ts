import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeOwned, socketFolder } from './layout.js';

export interface FolderLock {
  release(): void;
}

const ATTEMPTS = 8;

/**
 * One process at a time for `dir`. Each contender listens on a socket with a name of its own and then looks whether any
 * other answers: of two, the later one always sees the earlier. A killed process stops answering, so nothing is ever stale.
 */
export async function lockFolder(dir: string): Promise<FolderLock> {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const folder = folderOf(dir);
  makeOwned(folder, { name: 'the current user' });
  for (let attempt = 1; ; attempt++) {
    const id = `${process.pid}-${Math.random().toString(16).slice(2, 10)}`;
    const presence = await appear(folder, id);
    let other: string | undefined;
    try {
      other = await findOther(folder, id);
    } catch (error) {
      presence.release();
      throw error;
    }
    if (other === undefined) return presence;
    presence.release();
    if (attempt === ATTEMPTS)
      throw new Error(
        `${dir} is in use by another gateway (pid ${other}): stop it, or set another store.dir, or share a server with store.url`,
      );
    await sleep(10 + Math.random() * 30 * attempt);
  }
}

/** Pid of the process that holds the lock of `dir`, undefined when none does. */
export async function lockHolder(dir: string): Promise<number | undefined> {
  const folder = folderOf(dir);
  if (!existsSync(folder)) return undefined;
  const pid = await findOther(folder, '');
  return pid === undefined ? undefined : Number(pid);
}

function folderOf(dir: string): string {
  return socketFolder(dir, 'lock', '0123456789-01234567.sock');
}

/** Pid of another process that answers in `folder`; sockets that nobody answers are removed. */
async function findOther(folder: string, own: string): Promise<string | undefined> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name === `${own}.sock`) continue;
    if (name.endsWith('.sock')) {
      if (await answers(path)) return name.split('-')[0] ?? name;
      rmSync(path, { force: true });
    } else if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) < Date.now() - 60_000)
      rmSync(path, { force: true });
  }
  return undefined;
}

/** Listens under `id.sock`, a name that exists only once it answers: others would take a silent one for dead. */
async function appear(folder: string, id: string): Promise<FolderLock> {
  const [early, path] = [join(folder, `${id}.new`), join(folder, `${id}.sock`)];
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(early, resolve));
  server.unref();
  renameSync(early, path);
  return {
    release() {
      rmSync(path, { force: true });
      server.close();
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
        // A full backlog means that somebody listens, a reset that somebody did until now: the next look will tell.
        else if (error.code === 'EAGAIN' || error.code === 'ECONNRESET') resolve(true);
        else reject(error);
      });
  });
}
