import type { Logger } from 'pino';
import type { Publication } from '../../gateway/api.js';

/** Rows written at a time. */
const STEP = 2000;
const QUIET_MS = 100;
/** Latest moment, and most rows, that publishing may put the writing off. */
const LATEST_MS = 1000;
const MANY = 20_000;
/** Above this publishing waits for the writing. */
const MOST = 100_000;
const RETRY_MS = 1000;

export interface SentLog {
  /** Takes note of what subscribers were sent; never waits. */
  add(publication: Publication): void;
  /** Resolves at once unless very much is not written yet. */
  room(): Promise<void>;
  /** Writes what is left; what cannot be written stays `available` in the ledger. */
  stop(): Promise<void>;
}

/**
 * Brings into the ledger what was sent, off the way of the messages themselves: in batches, one at a time, and while publishing is
 * busy only when it has waited long enough.
 */
export function createSentLog({
  record,
  busy,
  log,
}: {
  readonly record: (batch: readonly Publication[]) => Promise<void>;
  readonly busy: () => boolean;
  readonly log: Pick<Logger, 'warn'>;
}): SentLog {
  const pending = new Map<bigint, Publication>();
  let since = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | null = null;
  let stopping = false;
  let waiting: (() => void)[] = [];

  function put(publication: Publication): void {
    const { deliveryId, round, subscribers, tooLarge } = publication;
    const before = pending.get(deliveryId);
    if (before === undefined || before.round < round) pending.set(deliveryId, publication);
    else if (before.round === round) {
      const whole = before.tooLarge === null || tooLarge === null;
      pending.set(deliveryId, {
        ...{ deliveryId, round, subscribers: before.subscribers + subscribers },
        tooLarge: whole ? null : tooLarge,
      });
    }
  }

  function arm(ms: number): void {
    if (stopping || writing !== null) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      if (busy() && pending.size < MANY && performance.now() - since < LATEST_MS) arm(QUIET_MS);
      else start();
    }, ms);
  }

  function start(): void {
    writing ??= write().then((ok) => {
      writing = null;
      if (pending.size > 0) arm(ok ? QUIET_MS : RETRY_MS);
    });
  }

  /** False when it failed; then everything is still pending. */
  async function write(): Promise<boolean> {
    while (pending.size > 0) {
      const batch: Publication[] = [];
      for (const publication of pending.values()) {
        batch.push(publication);
        pending.delete(publication.deliveryId);
        if (batch.length === STEP) break;
      }
      try {
        await record(batch);
      } catch (error) {
        for (const publication of batch) put(publication);
        log.warn({ err: error, count: pending.size }, 'what was published is not in the ledger yet');
        return false;
      }
      if (pending.size < MOST) for (const resolve of waiting.splice(0)) resolve();
    }
    return true;
  }

  return {
    add(publication) {
      if (pending.size === 0) since = performance.now();
      put(publication);
      arm(QUIET_MS);
    },
    async room() {
      while (pending.size >= MOST && !stopping) {
        start();
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    async stop() {
      stopping = true;
      clearTimeout(timer);
      for (const resolve of waiting) resolve();
      waiting = [];
      await writing;
      await write();
    },
  };
}
