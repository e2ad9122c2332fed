import type { Logger } from 'pino';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { kindSince } from '../../src/gateway/numbered-feed.js';
import { invalid } from '../../src/mpd/index.js';
import type { DataDriveConfig } from './config.js';
import { entriesOf } from './entries.js';
import { versionOf } from './entry.js';
import type { FeedEvent } from './feed-event.js';
import { findIds } from './get.js';
import type { Index } from './pages.js';
import type { Poller } from './poll.js';
import type { Seen } from './seen.js';
import type { FileTable } from './tables.js';

const BATCH = 500;
/** So long a quiet wait lasts. */
const QUIET_MS = 20_000;
const WIDE_MS = 60_000;
/** An event may come before its document is searchable: documented are up to five minutes. */
const PATIENCE_MS = 300_000;
const MOST_NAMED = 5000;
/** So often, and for so long after a hint. */
const HURRY_MS = 500;
const HURRIED_MS = 30_000;

export interface Follower {
  follow(request: FollowRequest, signal: AbortSignal): Promise<FollowResult>;
  /** The feed named a file. */
  event(event: FeedEvent): void;
  /** Something happened to some file: the index is asked often for a while, until it shows. */
  hint(): void;
  /** Something may have been missed: look back as far as the index lags. */
  gap(): void;
}

/**
 * Finds changes by polling on update time with overlap, hurried by the events of the feed, and by comparing all ids from time
 * to time. What was seen is in the database, so that a cursor finds everything since, removals too, also after a restart.
 */
export function createFollower(
  index: Index,
  seen: Seen,
  poller: Poller,
  feed: DataDriveConfig['feed'],
  log: Logger,
): Follower {
  const named = new Map<string, { readonly until: number; readonly removed: boolean }>();
  let wake: () => void = () => undefined;
  let wideAt = Number.NEGATIVE_INFINITY;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let polledAt = Number.NEGATIVE_INFINITY;
  let hurriedUntil = Number.NEGATIVE_INFINITY;
  const pollMs = (): number => (performance.now() < hurriedUntil ? Math.min(feed.poll, HURRY_MS) : feed.poll);

  async function look(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (now - sweptAt >= feed.sweep) {
      await poller.all(signal);
      [sweptAt, wideAt, polledAt] = [now, now, now];
    } else if (now - wideAt >= WIDE_MS) {
      await poller.recent(feed.lag, signal);
      [wideAt, polledAt] = [now, now];
    } else if (now - polledAt >= pollMs()) {
      await poller.recent(feed.overlap, signal);
      polledAt = now;
    }
    if (named.size > 0) await lookForNamed(signal);
  }

  async function lookForNamed(signal: AbortSignal): Promise<void> {
    const ids = [...named.keys()].slice(0, BATCH);
    const missing = new Set(await poller.named(ids, signal));
    const gone = ids.filter((id) => missing.has(id) && named.get(id)?.removed);
    if (gone.length > 0) await seen.gone(gone);
    const now = performance.now();
    for (const id of ids) {
      const one = named.get(id);
      // A removal whose document is still searchable is asked for again until it is not.
      const waits = one && one.removed !== missing.has(id);
      if (!waits || now > one.until) {
        if (waits) log.warn({ id }, 'an event named a file that the index does not show');
        named.delete(id);
      }
    }
  }

  return {
    async follow({ cursor }, signal) {
      signal.throwIfAborted();
      if (cursor === null) {
        await poller.all(signal);
        sweptAt = wideAt = polledAt = performance.now();
        return { changes: [], cursor: String((await seen.state()).seq) };
      }
      if (!/^\d{1,19}$/.test(cursor)) throw invalid('cursor', 'no cursor of this backend');
      let since = BigInt(cursor);
      const end = performance.now() + QUIET_MS;
      for (;;) {
        signal.throwIfAborted();
        await look(signal);
        const { seq } = await seen.state();
        // A table that was made anew counts from the start: everything is told again, which does no harm.
        if (since > seq) since = 0n;
        const rows = await seen.changesAfter(since, BATCH);
        const last = rows.at(-1);
        if (last) return { changes: await changesOf(index, rows, since, signal), cursor: String(last.seq) };
        const left = end - performance.now();
        if (left <= 0) return { changes: [], cursor: String(since) };
        await pause(Math.min(left, named.size > 0 ? Math.min(feed.poll, HURRY_MS) : pollMs()), signal);
      }
    },
    event(event) {
      if (named.size < MOST_NAMED)
        named.set(event.id, { until: performance.now() + PATIENCE_MS, removed: event.removed });
      wake();
    },
    hint() {
      hurriedUntil = performance.now() + HURRIED_MS;
      polledAt = Number.NEGATIVE_INFINITY;
      wake();
    },
    gap() {
      wideAt = Number.NEGATIVE_INFINITY;
      wake();
    },
  };

  function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const resume = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', resume);
        resolve();
      };
      const timer = setTimeout(resume, milliseconds);
      wake = resume;
      signal.addEventListener('abort', resume, { once: true });
      if (signal.aborted) resume();
    });
  }
}

/** Changes with the documents as they are now. What has gone or changed again since is told by a later change. */
async function changesOf(
  index: Index,
  rows: readonly FileTable[],
  since: bigint,
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const alive = rows.filter((row) => !row.removed).map((row) => row.id);
  const found = [...(alive.length > 0 ? await findIds(index, alive, signal) : [])];
  const entries = await entriesOf(
    index,
    found.map(([, hit]) => hit),
    signal,
  );
  const byId = new Map(found.map(([id], i) => [id, entries[i] ?? null]));
  return rows.flatMap((row): readonly Change[] => {
    if (row.removed) {
      const domain = JSON.parse(row.domain) as string[];
      const ref = { domain, type: 'Product', key: row.id, version: versionOf(row.updated_ns) };
      return [{ kind: 'removed', ref }];
    }
    const entry = byId.get(row.id);
    if (!entry) return [];
    return [{ kind: kindSince(row, since), entry }];
  });
}
