import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
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
  const folder = socketFolder(dir, 'lock', '0123456789-01234567.sock');
  makeOwned(folder, { name: 'the current user' });
  for (let attempt = 1; ; attempt++) {
    const name = `${process.pid}-${Math.random().toString(16).slice(2, 10)}.sock`;
    const server = await listen(join(folder, name));
    const other = await findOther(folder, name);
    if (other === undefined) return { release: () => server.close() };
    server.close();
    if (attempt === ATTEMPTS)
      throw new Error(
        `${dir} is in use by another gateway (pid ${other}): stop it, or set another store.dir, or share a server with store.url`,
      );
    await sleep(10 + Math.random() * 30 * attempt);
  }
}

/** Pid of another process that answers in `folder`; sockets that nobody answers are removed. */
async function findOther(folder: string, own: string): Promise<string | undefined> {
  for (const name of readdirSync(folder)) {
    if (name === own || !name.endsWith('.sock')) continue;
    if (await answers(join(folder, name))) return name.split('-')[0] ?? name;
    rmSync(join(folder, name), { force: true });
  }
  return undefined;
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  return server.unref();
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket
      .once('connect', () => resolve(true))
      .once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
        // A full backlog means that somebody listens.
        else if (error.code === 'EAGAIN') resolve(true);
        else reject(error);
      });
    socket.once('connect', () => socket.destroy());
  });
}
