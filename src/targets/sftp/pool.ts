import type { Guard } from '../../net/guard.js';
import { type Account, accountKey } from './account.js';
import { openSession, type Session } from './session.js';

interface Held {
  readonly session: Promise<Session>;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/** One connection per account, shared by all deliveries to it and closed after `idleMs` (30 s) without any. */
export function createPool(guard: Guard, options: { readonly idleMs?: number; readonly silenceMs?: number } = {}) {
  const { idleMs = 30_000, ...silence } = options;
  const held = new Map<string, Held>();

  const drop = (key: string, one: Held): void => {
    clearTimeout(one.idle);
    if (held.get(key) === one) held.delete(key);
    one.session.then(
      (session) => session.end(),
      () => undefined,
    );
  };

  async function take(key: string, account: Account): Promise<readonly [Held, Session]> {
    const known = held.get(key);
    if (known) {
      known.users++;
      clearTimeout(known.idle);
      const session = await known.session.catch(() => undefined);
      if (session?.isOpen()) return [known, session];
      known.users--;
      drop(key, known);
      return take(key, account);
    }
    // Not bound to one delivery's signal: others may be waiting for the same connection.
    const session = openSession(account, { guard, signal: AbortSignal.timeout(30_000), ...silence });
    const fresh: Held = { session, users: 1, idle: undefined };
    held.set(key, fresh);
    try {
      return [fresh, await session];
    } catch (error) {
      if (held.get(key) === fresh) held.delete(key);
      throw error;
    }
  }

  return {
    async use<T>(account: Account, work: (session: Session) => Promise<T>): Promise<T> {
      const key = accountKey(account);
      const [one, session] = await take(key, account);
      try {
        return await work(session);
      } finally {
        one.users--;
        if (!session.isOpen()) drop(key, one);
        else if (one.users === 0) {
          clearTimeout(one.idle);
          one.idle = setTimeout(() => drop(key, one), idleMs);
          one.idle.unref();
        }
      }
    },
    close(): void {
      for (const [key, one] of held) drop(key, one);
    },
  };
}

export type Pool = ReturnType<typeof createPool>;
