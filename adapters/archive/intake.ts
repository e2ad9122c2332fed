import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isRetry, sqlState } from '../../src/store/index.js';
import type { IndexWriter } from './commit.js';
import { type ReadResult, readArchiveFile } from './read.js';
import type { Readers } from './readers.js';
import type { FileStat, Root } from './root.js';
import { settleQueue, type Waiting } from './settle.js';

/** The way of a file from "seen" into the index: settle, read, commit. */
export interface Intake {
  /** A file that is new or looks different. `quiet`: its own times show that it has not changed for long. */
  offer(path: string, stat: FileStat, quiet: boolean): void;
  remove(path: string): void;
  forget(path: string): void;
  /** Starts reading what has settled and commits what was read; does not wait for reading. */
  pump(): Promise<void>;
  /** Waits until something can go on: a file was read or has settled, or `ms` have passed. */
  pause(ms: number): Promise<void>;
  wake(): void;
  /** Whether anything that was offered before `time` (by `now`) is still on its way. */
  pendingSince(time: number): boolean;
  /** Files on their way; the sweep holds back when they are many. */
  readonly size: number;
  readonly unreadable: ReadonlyMap<string, string>;
}

export interface IntakeOptions {
  readonly root: Root;
  readonly readers: Readers;
  readonly writer: IndexWriter;
  readonly settleMs: number;
  /** Whether what is missing in the folder may be taken for removed. */
  readonly believed: () => Promise<boolean>;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

type ReadFile = Extract<ReadResult, { status: 'read' }>;

const READERS = 4;
const BATCH = 500;
/** What is read within this time goes into one commit, so that a label and its file come together. */
const GATHER_MS = 50;

export function createIntake({ root, readers, writer, settleMs, believed, now, signal, log }: IntakeOptions): Intake {
  const settling = settleQueue(settleMs);
  const settled: Waiting[] = [];
  const reading = new Map<string, number>();
  const done: { readonly result: ReadResult; readonly since: number }[] = [];
  /** When a file was first missed: one that is deleted and written again at once is a replaced file. */
  const absent = new Map<string, number>();
  const removed = new Set<string>();
  const unreadable = new Map<string, string>();
  let failure: unknown;
  let firstDone: number | null = null;
  let resume: () => void = () => undefined;
  let woken = false;
  /** Also counts when nobody waits yet. */
  const wake = (): void => {
    woken = true;
    resume();
  };

  const start = (file: Waiting): void => {
    reading.set(file.path, file.since);
    readArchiveFile(root, file.path, file.stat, readers, signal)
      .then((result) => {
        done.push({ result, since: file.since });
        firstDone ??= now();
      })
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => {
        reading.delete(file.path);
        fill();
        if (reading.size === 0 || done.length <= 1 || done.length >= BATCH || failure !== undefined) wake();
      });
  };

  const fill = (): void => {
    while (reading.size < READERS && done.length < 2 * BATCH && failure === undefined && !signal.aborted) {
      const next = settled.shift();
      if (next === undefined) return;
      if (!reading.has(next.path)) start(next);
    }
  };

  const gathered = (): boolean => {
    if (done.length === 0 && removed.size === 0) return false;
    if (done.length + removed.size >= BATCH) return true;
    if (firstDone === null || now() - firstDone >= GATHER_MS) return true;
    return reading.size === 0 && settled.length === 0 && settling.size === 0;
  };

  const commit = async (): Promise<void> => {
    const batch = done.splice(0, BATCH);
    const gone = [...removed].slice(0, BATCH);
    for (const path of gone) removed.delete(path);
    firstDone = done.length > 0 ? firstDone : null;
    const latest = new Map<string, ReadFile>();
    for (const { result } of batch) {
      if (result.status === 'changed') settling.see(result.path, result.stat, now());
      else if (result.status === 'gone') missed(result.path);
      else if (result.status === 'failed') {
        if (!unreadable.has(result.path))
          log.warn({ path: result.path, reason: result.reason }, 'a file cannot be read');
        unreadable.set(result.path, result.reason);
      } else if (result.status === 'read') {
        unreadable.delete(result.path);
        latest.set(result.path, result);
        if (result.problems.length > 0) log.debug({ path: result.path, problems: result.problems }, 'an ordinary file');
      }
    }
    const removals = gone.length > 0 && (await believed()) ? gone.filter((path) => !latest.has(path)) : [];
    const confirmed = await Promise.all(removals.map(async (path) => (await root.look(path)).kind !== 'file'));
    await commitApart(
      [...latest.values()],
      removals.filter((_, index) => confirmed[index]),
    );
  };

  /** One file that the database refuses must not keep out the others. */
  const commitApart = async (read: readonly ReadFile[], gone: readonly string[]): Promise<void> => {
    try {
      await writer.commit({ read, removed: gone });
    } catch (error) {
      if (sqlState(error) === undefined || isRetry(error) || read.length === 0) throw error;
      const [first, ...others] = read;
      if (first !== undefined && others.length === 0 && gone.length === 0) {
        log.error({ path: first.path, err: error }, 'a file cannot be put into the index');
        unreadable.set(first.path, (error as Error).message);
        return;
      }
      const half = Math.ceil(read.length / 2);
      await commitApart([], gone);
      await commitApart(read.slice(0, half), []);
      await commitApart(read.slice(half), []);
    }
  };

  const missed = (path: string): void => {
    settling.forget(path);
    if (!removed.has(path) && !absent.has(path)) absent.set(path, now());
  };

  const takeAbsent = (): void => {
    for (const [path, since] of absent) {
      if (since + settleMs > now()) return;
      absent.delete(path);
      removed.add(path);
      firstDone ??= now();
    }
  };

  return {
    offer(path, stat, quiet) {
      absent.delete(path);
      removed.delete(path);
      if (quiet) {
        settling.forget(path);
        settled.push({ path, stat, since: now() });
      } else settling.see(path, stat, now());
    },
    remove: missed,
    forget: (path) => settling.forget(path),
    async pump() {
      if (failure !== undefined) throw failure;
      takeAbsent();
      if (settled.length < BATCH) settled.push(...settling.take(now(), BATCH));
      fill();
      if (!gathered()) return;
      await commit();
      fill();
    },
    async pause(ms) {
      // While readers have enough to do, what settles meanwhile can wait.
      const due = settled.length < BATCH ? settling.due() : null;
      const [gone] = absent.values();
      const absentDue = gone === undefined ? null : gone + settleMs;
      const gatherEnd = done.length + removed.size > 0 ? (firstDone ?? now()) + GATHER_MS : null;
      const wait = Math.min(
        ms,
        ...[due, absentDue, gatherEnd].filter((time) => time !== null).map((time) => time - now()),
      );
      if (wait <= 0 || woken || signal.aborted) {
        woken = false;
        return setImmediate();
      }
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, wait);
        signal.addEventListener('abort', end, { once: true });
        resume = end;
      });
      woken = false;
    },
    wake,
    pendingSince(time) {
      const times = [settling.oldest(), ...settled.map(({ since }) => since), ...reading.values()];
      return (
        [...times, ...done.map(({ since }) => since)].some((since) => since !== null && since < time) ||
        removed.size > 0 ||
        [...absent.values()].some((since) => since < time)
      );
    },
    get size() {
      return settling.size + settled.length + reading.size + done.length;
    },
    unreadable,
  };
}
