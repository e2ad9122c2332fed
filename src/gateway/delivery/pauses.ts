import { type Backoff, backoffMs } from './backoff.js';

/** What is down as one: a target as ledger rows name it, a backend. */
export type PauseKey = `target ${string}` | `backend ${string}`;

export interface PauseOptions {
  readonly backoff: Backoff;
  readonly random: () => number;
  /** Whether it works again; a reason when it does not. */
  readonly onChange: (key: PauseKey, paused: boolean, reason: string) => void;
  /** Called after each probe that failed. */
  readonly onStillDown: (key: PauseKey, reason: string) => Promise<void>;
}

export type Probe = (signal: AbortSignal) => Promise<{ readonly ok: boolean; readonly reason: string }>;

/** Targets and backends that are left alone, each until a probe says that it works again. */
export interface Pauses {
  fail(key: PauseKey, reason: string, probe: Probe): void;
  succeed(key: PauseKey): void;
  isPaused(key: PauseKey): boolean;
  /** After a pause: one at a time until one has succeeded. */
  isOnTrial(key: PauseKey): boolean;
  list(): readonly { readonly key: PauseKey; readonly reason: string }[];
  close(): Promise<void>;
}

interface Pause {
  paused: boolean;
  reason: string;
  count: number;
  timer: NodeJS.Timeout | undefined;
}

export function createPauses({ backoff, random, onChange, onStillDown }: PauseOptions): Pauses {
  const pauses = new Map<PauseKey, Pause>();
  const closing = new AbortController();
  const probing = new Set<Promise<void>>();

  function arm(key: PauseKey, pause: Pause, probe: Probe): void {
    pause.timer = setTimeout(
      () => {
        const work = ask(key, pause, probe).finally(() => probing.delete(work));
        probing.add(work);
      },
      backoffMs(pause.count, backoff, random),
    );
  }

  async function ask(key: PauseKey, pause: Pause, probe: Probe): Promise<void> {
    const answer = await probe(closing.signal).catch((error) => ({ ok: false, reason: (error as Error).message }));
    if (closing.signal.aborted || pauses.get(key) !== pause) return;
    pause.reason = answer.reason;
    if (answer.ok) {
      pause.paused = false;
      onChange(key, false, answer.reason);
      return;
    }
    pause.count++;
    await onStillDown(key, answer.reason);
    if (!closing.signal.aborted) arm(key, pause, probe);
  }

  return {
    fail(key, reason, probe) {
      if (closing.signal.aborted) return;
      const known = pauses.get(key);
      if (known?.paused) return;
      const pause = known ?? { paused: true, reason, count: 0, timer: undefined };
      pause.paused = true;
      pause.reason = reason;
      pause.count++;
      pauses.set(key, pause);
      onChange(key, true, reason);
      arm(key, pause, probe);
    },
    succeed(key) {
      const pause = pauses.get(key);
      if (pause !== undefined && !pause.paused) pauses.delete(key);
    },
    isPaused: (key) => pauses.get(key)?.paused ?? false,
    isOnTrial: (key) => pauses.get(key)?.paused === false,
    list: () => [...pauses].filter(([, pause]) => pause.paused).map(([key, { reason }]) => ({ key, reason })),
    async close() {
      closing.abort();
      for (const pause of pauses.values()) clearTimeout(pause.timer);
      await Promise.all(probing);
    },
  };
}
