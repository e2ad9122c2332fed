import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.js';

export interface Running {
  readonly pid: number;
  readonly ended: Promise<void>;
}

export interface Supervised {
  /** Undefined while it is being restarted. */
  pid(): number | undefined;
  /** Ends the server for good. */
  stop(): Promise<void>;
}

const PAUSE_MIN = 100;
const PAUSE_MAX = 10_000;
/** A server that lived longer is no crash loop. */
const STABLE_MS = 30_000;

/** Brings the server up again whenever it ends unasked: at once, more slowly when it keeps dying. */
export function supervise(first: Running, bringUp: (signal: AbortSignal) => Promise<Running>, log: Log): Supervised {
  const stopping = new AbortController();
  const { signal } = stopping;
  let server: Running | undefined = first;

  const watch = async () => {
    for (let pause = 0, since = performance.now(); ; ) {
      await server?.ended;
      server = undefined;
      if (signal.aborted) return;
      log.warn({}, 'the embedded database ended unexpectedly; starting it again');
      if (performance.now() - since > STABLE_MS) pause = 0;
      while (!server) {
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        pause = Math.min(Math.max(pause * 2, PAUSE_MIN), PAUSE_MAX);
        server = await bringUp(signal).catch((error) => {
          if (!signal.aborted) log.error({ err: error }, 'the embedded database did not start');
          return undefined;
        });
      }
      since = performance.now();
      if (signal.aborted) await shutDown(server);
      else log.info({ pid: server.pid }, 'the embedded database is up again');
    }
  };

  const watching = watch();
  return {
    pid: () => server?.pid,
    async stop() {
      stopping.abort();
      if (server) await shutDown(server);
      await watching;
    },
  };
}

/** Fast shutdown: sessions are ended, everything is written. Harder only when that takes unreasonably long. */
export async function shutDown(server: Running): Promise<void> {
  for (const [signal, wait] of [
    ['SIGINT', 60_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 10_000],
  ] as const) {
    try {
      process.kill(server.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    const timer = new AbortController();
    const late = sleep(wait, false, { signal: timer.signal }).catch(() => false);
    const ended = await Promise.race([server.ended.then(() => true), late]);
    timer.abort();
    if (ended) return;
  }
  throw new Error(`the embedded database (pid ${server.pid}) does not end`);
}
