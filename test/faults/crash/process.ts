import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../../..');

/** A gateway in a process of its own, as `mpd-gateway serve` runs it. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  /** Resolves with the HTTP address, or null when the process ended before. */
  readonly ready: Promise<string | null>;
  readonly ended: Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const SOURCE: readonly string[] = ['--import', 'tsx', join(ROOT, 'src/cli/bin.ts')];

/**
 * @param crashAt as `MPD_GATEWAY_CRASH_AT` takes it
 * @param program what Node runs; from the sources unless something else is given
 */
export function startProcess(
  configFile: string,
  logFile: string,
  crashAt: string | null,
  program: readonly string[] = SOURCE,
): GatewayProcess {
  const args = [...program, 'serve', '--config', configFile, '--json', '--log-format', 'json'];
  const { MPD_GATEWAY_CRASH_AT: _, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: crashAt === null ? env : { ...env, MPD_GATEWAY_CRASH_AT: crashAt },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stderr!.pipe(createWriteStream(logFile, { flags: 'a' }));
  const ended = once(child, 'exit').then(() => undefined);
  const lines = createInterface({ input: child.stdout! });
  const ready = new Promise<string | null>((resolve) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line) as { event?: string; urls?: { http?: string } };
      if (event.event === 'ready') resolve(event.urls?.http ?? null);
    });
    void ended.then(() => resolve(null));
  });
  const signalAndWait = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { child, ready, ended, kill: () => signalAndWait('SIGKILL'), stop: () => signalAndWait('SIGTERM') };
}
