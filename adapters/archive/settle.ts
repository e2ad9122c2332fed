import { type FileStat, sameStat } from './root.js';

export interface Waiting {
  readonly path: string;
  readonly stat: FileStat;
  /** When it was first seen like this, by a clock that never jumps, ms. */
  readonly since: number;
}

/** Files that were seen new or changed and must stay as they are for a while before they count. */
export interface SettleQueue {
  /** Seen at `now`; the waiting starts again when it looks different from before. */
  see(path: string, stat: FileStat, now: number): void;
  forget(path: string): void;
  /** Takes out at most `limit` that have been the same long enough. */
  take(now: number, limit: number): readonly Waiting[];
  /** When the next one is due; null when none waits. */
  due(): number | null;
  /** `since` of the one that waits longest. */
  oldest(): number | null;
  readonly size: number;
}

export function settleQueue(settleMs: number): SettleQueue {
  // In the order of `since`: what changes is put at the end again.
  const waiting = new Map<string, Waiting>();
  const first = (): Waiting | undefined => waiting.values().next().value;
  return {
    see(path, stat, now) {
      const known = waiting.get(path);
      if (known !== undefined && sameStat(known.stat, stat) && known.stat.ctimeNs === stat.ctimeNs) return;
      waiting.delete(path);
      waiting.set(path, { path, stat, since: now });
    },
    forget(path) {
      waiting.delete(path);
    },
    take(now, limit) {
      const out: Waiting[] = [];
      for (const one of waiting.values()) {
        if (out.length >= limit || one.since + settleMs > now) break;
        out.push(one);
      }
      for (const { path } of out) waiting.delete(path);
      return out;
    },
    due() {
      const next = first();
      return next === undefined ? null : next.since + settleMs;
    },
    oldest: () => first()?.since ?? null,
    get size() {
      return waiting.size;
    },
  };
}
