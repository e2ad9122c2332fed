import { spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.js';
import { stateDir } from './paths.js';
import { isAlive, processOf, run, type ServerProcess, stopProcess } from './processes.js';
import { allRunning, forgetRunning, hasUsers } from './state.js';

const keeperFile = join(stateDir, 'keeper');

/** Starts the keeper unless one runs. Call with the lock `users` held, after registering the user. */
export function ensureKeeper(): void {
  let keeper: ServerProcess | undefined;
  try {
    keeper = JSON.parse(readFileSync(keeperFile, 'utf8')) as ServerProcess;
  } catch {
    keeper = undefined;
  }
  if (keeper && isAlive(keeper)) return;
  const log = openSync(join(stateDir, 'keeper.log'), 'a');
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), 'keep'], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  child.unref();
  if (child.pid === undefined) throw new Error('cannot start the keeper of the test servers');
  writeFileSync(keeperFile, JSON.stringify(processOf(child.pid)));
}

/** Stops every server that a state file names. Call with the lock `users` held. */
export async function stopAll(): Promise<void> {
  await Promise.all(
    allRunning().map(async (running) => {
      if (running.container) await run('docker', ['rm', '-f', running.container]).catch(() => '');
      else if (running.process) await stopProcess(running.process, running.signal ?? 'SIGTERM');
      forgetRunning(running.service.name);
    }),
  );
}

/** Outlives the test run: stops the servers `MPD_SERVICES_LINGER` seconds (30; 2 in CI) after their last user has gone. */
async function keep(): Promise<void> {
  const linger = Number(process.env.MPD_SERVICES_LINGER ?? (process.env.CI ? 2 : 30)) * 1000;
  let unusedSince = Date.now();
  for (;;) {
    await sleep(500);
    if (hasUsers()) unusedSince = Date.now();
    else if (Date.now() - unusedSince >= linger) {
      const done = await withLock('users', async () => {
        if (hasUsers()) return false;
        await stopAll();
        // Gone before the lock is: whoever comes next starts another keeper.
        rmSync(keeperFile, { force: true });
        return true;
      });
      if (done) return;
    }
  }
}

if (process.argv[2] === 'keep' && process.argv[1] === fileURLToPath(import.meta.url)) await keep();
