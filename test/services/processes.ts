import { execFile, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server process: the start time (clock ticks since boot) tells it from a later process with the same id. */
export interface ServerProcess {
  readonly pid: number;
  readonly started: string;
}

/** Start time of a live process, or undefined when there is none (zombies count as gone). */
export function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isAlive(server: ServerProcess): boolean {
  return startedAt(server.pid) === server.started;
}

export function processOf(pid: number): ServerProcess {
  const started = startedAt(pid);
  if (started === undefined) throw new Error(`process ${pid} has ended`);
  return { pid, started };
}

/** Starts a program in a process group of its own with its output in `log`; it outlives this process. */
export function spawnServer(
  command: string,
  args: readonly string[],
  log: string,
  env: NodeJS.ProcessEnv = {},
): ServerProcess {
  const out = openSync(log, 'w');
  const child = spawn(command, args, { detached: true, stdio: ['ignore', out, out], env: { ...process.env, ...env } });
  child.on('error', () => {});
  child.unref();
  if (child.pid === undefined) throw new Error(`cannot start ${command}`);
  return processOf(child.pid);
}

/** Runs a program to its end and gives its standard output; an error carries what it wrote to standard error. */
export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { env: { ...process.env, ...env }, maxBuffer: 1 << 24 },
      (error, stdout, stderr) =>
        error ? reject(new Error(`${command} ${args.join(' ')}: ${stderr || error.message}`)) : resolve(stdout),
    );
    // a program that does not read its input may have closed it
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** Polls until `ready` holds; fails when the process ends first or the time is over. */
export async function until(
  ready: () => Promise<boolean>,
  what: string,
  options: { readonly process?: ServerProcess; readonly log?: string; readonly timeoutMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + (options.timeoutMs ?? 180_000);
  for (;;) {
    if (await ready().catch(() => false)) return;
    const dead = options.process && !isAlive(options.process);
    if (dead || Date.now() > deadline) {
      const log = options.log ? readFileSync(options.log, 'utf8').slice(-2000) : '';
      throw new Error(`${what} ${dead ? 'ended before it was ready' : 'was not ready in time'}\n${log}`);
    }
    await sleep(50);
  }
}

/** Asks one process to end, waits, and ends it hard after `graceMs`. */
export async function stopProcess(
  server: ServerProcess,
  signal: NodeJS.Signals = 'SIGTERM',
  graceMs = 10_000,
): Promise<void> {
  if (!isAlive(server)) return;
  process.kill(server.pid, signal);
  for (const end = Date.now() + graceMs; Date.now() < end; await sleep(25)) if (!isAlive(server)) return;
  if (isAlive(server)) process.kill(server.pid, 'SIGKILL');
}
