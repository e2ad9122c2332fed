import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Job, Switches } from '../../../simulators/edds/index.js';

const ROOT = join(import.meta.dirname, '../../..');

/** What the simulator says of itself. */
export interface SimulatorState {
  readonly switches: Switches;
  readonly calls: Readonly<Record<string, number>>;
  readonly jobs: readonly (Omit<Job, 'request'> & { readonly name: string | null })[];
}

/** `mpd-gateway simulate edds` in a process of its own, at one port and with one state whenever it runs. */
export interface SimulatorProcess {
  readonly wsdlUrl: string;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** null when it does not run. */
  control(path: string, body?: object): Promise<SimulatorState | null>;
}

export async function simulatorProcess(folder: string, logFile: string): Promise<SimulatorProcess> {
  let port = 0;
  let wsdlUrl = '';
  let controlUrl = '';
  let child: ChildProcess | null = null;
  let ended: Promise<unknown> = Promise.resolve();

  const start = async (): Promise<void> => {
    const cli = join(ROOT, 'src/cli/bin.ts');
    const args = ['--import', 'tsx', cli, 'simulate', 'edds', '--port', String(port), '--folder', folder, '--json'];
    const running = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    running.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
    child = running;
    ended = once(running, 'exit');
    const lines = createInterface({ input: running.stdout });
    const line = (await Promise.race([once(lines, 'line'), ended.then(() => null)])) as [string] | null;
    if (line === null) return;
    const ready = JSON.parse(line[0]) as { wsdlUrl: string; controlUrl: string };
    ({ wsdlUrl, controlUrl } = ready);
    port = Number(new URL(wsdlUrl).port);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child?.kill(signal);
    await ended;
    child = null;
  };
  await start();
  if (wsdlUrl === '') throw new Error('the simulator did not start');
  return {
    wsdlUrl,
    start,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async control(path, body) {
      const init = body && { method: 'POST', body: JSON.stringify(body) };
      const response = await fetch(`${controlUrl}/${path}`, { ...init, keepalive: false }).catch(() => null);
      return response === null ? null : ((await response.json()) as SimulatorState);
    },
  };
}
