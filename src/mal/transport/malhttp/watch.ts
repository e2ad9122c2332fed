import type { AgentOptions } from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import type { OutgoingMessage } from '../../message.js';
import type { TransportLimits } from '../limits.js';
import { createPoster, type HttpAnswer, type MalhttpMode } from './post.js';

/** Lets what a consumer does first go first. */
const FIRST_MS = 500;

export interface WatchOptions {
  readonly limits: TransportLimits;
  readonly tls: AgentOptions | undefined;
  readonly lookup: LookupFunction | undefined;
  readonly mode: MalhttpMode;
  readonly everyMs: number;
  /** What to post next; null when there is nothing to look after. */
  readonly register: () => OutgoingMessage | null;
  readonly lost: (reason: string) => void;
}

export interface ProviderWatch {
  /** Resolves once nothing is under way. */
  idle(): Promise<void>;
  stop(): void;
}

/**
 * Looks after a provider that nothing else connects this end to: registers again and again over a connection of its own, more often
 * than idle connections are closed. Once that connection is closed, or not answered, the provider is taken for restarted.
 */
export function watchProvider({ limits, tls, lookup, mode, everyMs, register, lost }: WatchOptions): ProviderWatch {
  const answerMs = Math.max(limits.connectMs, everyMs);
  const watched = new WeakSet<Socket>();
  let stopped = false;
  /** Answered, and meant to stay open: its end means something. */
  let standing: Socket | null = null;
  let current: Socket | null = null;
  const poster = createPoster({
    limits,
    tls,
    lookup,
    sockets: 1,
    answerMs,
    onSocket(socket) {
      current = socket;
      if (watched.has(socket)) return;
      watched.add(socket);
      socket.once('close', () => {
        if (standing === socket) fail('the provider has closed the connection that looks after it');
      });
    },
  });
  let timer: NodeJS.Timeout | null = null;
  let posting: Promise<void> = Promise.resolve();

  function stop(): void {
    stopped = true;
    if (timer !== null) clearTimeout(timer);
    poster.close();
  }

  function fail(reason: string): void {
    if (stopped) return;
    stop();
    lost(reason);
  }

  function answered({ status, headers }: HttpAnswer): void {
    if (status >= 300 || /^true$/i.test(String(headers['x-mal-is-error-message'] ?? ''))) {
      fail(
        status >= 300 ? `the provider answers HTTP status ${status}` : 'the provider takes the subscription no longer',
      );
      return;
    }
    const closes = /close/i.test(headers.connection ?? '');
    standing = closes ? null : current;
    const keeps = Number(/timeout=(\d+)/.exec(String(headers['keep-alive'] ?? ''))?.[1] ?? Number.POSITIVE_INFINITY);
    next(Math.min(everyMs, keeps * 500));
  }

  function next(ms: number): void {
    if (stopped) return;
    timer = setTimeout(look, ms);
    timer.unref();
  }

  function look(): void {
    const message = register();
    if (message === null) stop();
    else posting = poster.post(message, mode).then(answered, (error: Error) => fail(error.message));
  }

  next(Math.min(everyMs, FIRST_MS));
  return { stop, idle: () => posting };
}
