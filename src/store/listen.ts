import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { unlessAborted } from './abort.js';
import type { Log } from './log.js';

/** `payload` is undefined after a (re)connection: something may have been missed, look for yourself. */
export type NotificationHandler = (payload: string | undefined) => void;

export interface Listener {
  /** Resolves when the database listens. The result ends it. */
  listen(channel: string, handler: NotificationHandler): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/**
 * Notifications on one connection of its own, made at the first use and again whenever it is lost. They only wake up:
 * what is true is in the tables, so every handler also runs after each connection, and its owner still polls.
 */
export function createListener(config: pg.ClientConfig, log: Log): Listener {
  const handlers = new Map<string, Set<NotificationHandler>>();
  const closing = new AbortController();
  let client: pg.Client | undefined;
  let running: Promise<void> | undefined;

  const run = async () => {
    for (let wait = 100; !closing.signal.aborted; wait = Math.min(wait * 2, 5_000)) {
      const next = new pg.Client(config);
      const lost = new Promise<void>((resolve) => next.once('end', () => resolve()).on('error', () => resolve()));
      next.on('notification', ({ channel, payload }) => call(channel, payload ?? ''));
      try {
        await next.connect();
        for (const channel of handlers.keys()) await next.query(`listen ${next.escapeIdentifier(channel)}`);
        client = next;
        for (const channel of handlers.keys()) call(channel, undefined);
        wait = 100;
        await unlessAborted(lost, closing.signal);
        if (!closing.signal.aborted) log.warn({}, 'the connection for notifications was lost');
      } catch (error) {
        log.debug({ err: error }, 'no connection for notifications');
      }
      client = undefined;
      await next.end().catch(() => undefined);
      await sleep(wait, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };

  const call = (channel: string, payload: string | undefined) => {
    for (const handler of handlers.get(channel) ?? []) invoke(channel, handler, payload);
  };

  const invoke = (channel: string, handler: NotificationHandler, payload: string | undefined) => {
    try {
      handler(payload);
    } catch (error) {
      log.error({ err: error, channel }, 'a notification handler failed');
    }
  };

  return {
    async listen(channel, handler) {
      const known = handlers.get(channel);
      const set = known ?? new Set();
      handlers.set(channel, set.add(handler));
      running ??= run();
      const now = client;
      if (!known && now) await now.query(`listen ${now.escapeIdentifier(channel)}`).catch(() => undefined);
      // Whoever adds itself while the connection is being made is called when it stands.
      if (now) invoke(channel, handler, undefined);
      return async () => {
        set.delete(handler);
        if (set.size > 0 || handlers.get(channel) !== set) return;
        handlers.delete(channel);
        await client?.query(`unlisten ${client.escapeIdentifier(channel)}`).catch(() => undefined);
      };
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}
