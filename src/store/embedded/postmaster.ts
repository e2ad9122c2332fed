import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a server says about itself in `postmaster.pid`. */
export interface Postmaster {
  readonly pid: number;
  readonly sockets: string;
  readonly status: 'starting' | 'stopping' | 'ready' | 'standby' | '';
}

export function readPostmaster(data: string): Postmaster | undefined {
  const lines = readLines(data);
  const pid = Number(lines?.[0]);
  if (!lines || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, sockets: lines[4] ?? '', status: (lines[7] ?? '').trim() as Postmaster['status'] };
}

/**
 * Names this process in a `postmaster.pid` whose own is gone: a server takes its parent's pid for a stale entry, while the
 * pid of an unrelated later process would stop it. The rest stays, so that it still looks for children that hold shared memory.
 */
export function disownPostmaster(data: string): void {
  const lines = readLines(data);
  if (lines) writeFileSync(join(data, 'postmaster.pid'), [String(process.pid), ...lines.slice(1)].join('\n'));
}

/** Whether process `pid` is a server on `data`, not another process that got a used pid. */
export function isServerOf(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false;
  const command = commandOf(pid);
  return command.includes('postgres') && command.includes(data);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

function readLines(data: string): string[] | undefined {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
