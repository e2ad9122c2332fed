import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Builds and starts ESA's Java stack as an MPD consumer or provider; each prints one JSON object a line. */

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL('./java/', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mpd-gateway', 'interop-java');

/** Why the Java peers cannot run here, or null. With CI=true, the lack of Java or Maven is not accepted: it fails later. */
export async function javaMissing(): Promise<string | null> {
  if (process.env.CI === 'true') return null;
  for (const [command, argument] of [
    ['java', '-version'],
    ['mvn', '-version'],
  ] as const) {
    try {
      await run(command, [argument]);
    } catch {
      return `${command} is not installed`;
    }
  }
  return null;
}

let built: Promise<string> | undefined;

/** Compiles the peers once for each state of their sources, outside the checkout; gives the class path. */
export function buildJava(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const hash = createHash('sha256');
  const names = (await readdir(SOURCES, { recursive: true })).filter((name) => /\.(java|xml)$/.test(name)).sort();
  for (const name of names) hash.update(`${name}\n`).update(await readFile(join(SOURCES, name)));
  const folder = join(CACHE, hash.digest('hex').slice(0, 16));
  if (!existsSync(join(folder, 'done'))) {
    await mkdir(CACHE, { recursive: true });
    const work = `${folder}.${process.pid}`;
    await rm(work, { recursive: true, force: true });
    await cp(SOURCES, work, { recursive: true });
    await run('mvn', ['-q', '-B', 'process-classes'], { cwd: work, timeout: 170_000, maxBuffer: 2 ** 24 });
    await writeFile(join(work, 'done'), '');
    await rename(work, folder).catch(async (error: unknown) => {
      await rm(work, { recursive: true, force: true });
      if (!existsSync(join(folder, 'done'))) throw error;
    });
  }
  return `${join(folder, 'target/classes')}:${join(folder, 'target/lib')}/*`;
}

export type Event = Readonly<Record<string, unknown>> & { readonly event: string };

/** A running peer. */
export interface JavaPeer {
  /** All events so far. */
  readonly events: readonly Event[];
  /** Writes a command and waits for the event that ends it. */
  command(line: string): Promise<readonly Event[]>;
  /** The next event, from `from` on, that fits. @throws Error when none comes in time */
  waitFor(fits: (event: Event) => boolean, from?: number, timeoutMs?: number): Promise<Event>;
  stop(): Promise<void>;
}

export async function startPeer(
  main: 'EsaConsumer' | 'EsaProvider',
  args: readonly string[],
  endOfCommand: readonly string[],
): Promise<JavaPeer> {
  const classPath = await buildJava();
  const child: ChildProcessWithoutNullStreams = spawn('java', [
    '-Xmx1g',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    classPath,
    `mpdpeer.${main}`,
    ...args,
  ]);
  const events: Event[] = [];
  const watchers = new Set<() => void>();
  let errors = '';
  let gone = false;
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      gone = true;
      for (const watcher of watchers) watcher();
      resolve();
    });
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as Event);
    for (const watcher of watchers) watcher();
  });

  function waitFor(fits: (event: Event) => boolean, from = 0, timeoutMs = 20_000): Promise<Event> {
    return new Promise((resolve, reject) => {
      let at = from;
      const look = (): void => {
        for (; at < events.length; at++) {
          if (!fits(events[at]!)) continue;
          finish();
          resolve(events[at]!);
          return;
        }
        if (gone) {
          finish();
          reject(new Error(`the Java peer ended: ${errors}`));
        }
      };
      const timer = setTimeout(() => {
        finish();
        reject(
          new Error(
            `no such event in ${timeoutMs} ms; had ${JSON.stringify(events.slice(from)).slice(-3000)}; ${errors}`,
          ),
        );
      }, timeoutMs);
      const finish = (): void => {
        clearTimeout(timer);
        watchers.delete(look);
      };
      watchers.add(look);
      look();
    });
  }

  return {
    events,
    waitFor,
    async command(line) {
      const from = events.length;
      child.stdin.write(`${line}\n`);
      const end = await waitFor((event) => endOfCommand.includes(event.event), from, 60_000);
      return events.slice(from, events.indexOf(end) + 1);
    },
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await exited;
      clearTimeout(timer);
    },
  };
}
