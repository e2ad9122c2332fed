import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stateDir } from './paths.js';
import { isAlive, processOf, type ServerProcess } from './processes.js';

let serial = 0;

/** Holds the lock `name` among the processes of this machine while `action` runs. A lock whose holder died is taken over. */
export async function withLock<T>(name: string, action: () => Promise<T>): Promise<T> {
  mkdirSync(stateDir, { recursive: true });
  const path = join(stateDir, `${name}.lock`);
  const own = join(stateDir, `${name}.lock.${process.pid}.${++serial}`);
  writeFileSync(own, JSON.stringify(processOf(process.pid)));
  try {
    while (!tryLink(own, path)) await sleep(25);
  } finally {
    unlinkSync(own);
  }
  try {
    return await action();
  } finally {
    unlinkSync(path);
  }
}

function tryLink(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = readHolder(path);
  if (holder && !isAlive(holder)) {
    try {
      unlinkSync(path);
    } catch {
      return false;
    }
  }
  return false;
}

function readHolder(path: string): ServerProcess | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ServerProcess;
  } catch {
    return undefined;
  }
}
