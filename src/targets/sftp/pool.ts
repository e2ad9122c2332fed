import type { Guard } from '../../net/guard.js';
import { type Account, accountKey } from './account.js';
import { openSession, type Session } from './session.js';

interface Line {
  readonly session: Promise<Session>;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

interface Lines {
  readonly open: Line[];
  /** The server took no further connection: until then (monotonic ms) it is not asked for one. */
  fullUntil: number;
}

export interface PoolOptions {
  /** Without a delivery for so long a connection is closed; default 30 s. */
  readonly idleMs?: number;
  readonly silenceMs?: number;
  /** To one account at once; default 4. */
  readonly connections?: number;
}

/** How long a server that refused one more connection is left alone. */
const FULL_MS = 60_000;

/**
 * Connections by account, each shared by several deliveries. A server does what one connection asks for one after the other,
 * and waits for its disk each time a file is flushed: small files go as fast as there are connections.
 */
export function createPool(guard: Guard, options: PoolOptions = {}) {
  const { idleMs = 30_000, connections = 4, ...silence } = options;
  const accounts = new Map<string, Lines>();

  const drop = (key: string, line: Line): void => {
    clearTimeout(line.idle);
    const lines = accounts.get(key);
    const at = lines?.open.indexOf(line) ?? -1;
    if (at >= 0) lines?.open.splice(at, 1);
    line.session.then(
      (session) => session.end(),
      () => undefined,
    );
  };

  const linesOf = (key: string): Lines => {
    let lines = accounts.get(key);
    if (!lines) {
      lines = { open: [], fullUntil: 0 };
      accounts.set(key, lines);
    }
    return lines;
  };

  /** The connection with the fewest users, when there is one that is free or no more may be made. */
  function choose({ open, fullUntil }: Lines): Line | undefined {
    const [first, ...rest] = open;
    if (!first) return undefined;
    const best = rest.reduce((a, b) => (b.users < a.users ? b : a), first);
    return best.users === 0 || open.length >= connections || performance.now() < fullUntil ? best : undefined;
  }

  async function take(key: string, account: Account): Promise<readonly [Line, Session]> {
    const lines = linesOf(key);
    const known = choose(lines);
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
    const fresh: Line = { session, users: 1, idle: undefined };
    const others = lines.open.length;
    lines.open.push(fresh);
    try {
      return [fresh, await session];
    } catch (error) {
      drop(key, fresh);
      if (others === 0 || lines.open.length === 0) throw error;
      lines.fullUntil = performance.now() + FULL_MS;
      return take(key, account);
    }
  }

  return {
    async use<T>(account: Account, work: (session: Session) => Promise<T>): Promise<T> {
      const key = accountKey(account);
      const [line, session] = await take(key, account);
      try {
        return await work(session);
      } finally {
        line.users--;
        if (!session.isOpen()) drop(key, line);
        else if (line.users === 0) {
          clearTimeout(line.idle);
          line.idle = setTimeout(() => drop(key, line), idleMs);
          line.idle.unref();
        }
      }
    },
    close(): void {
      for (const [key, { open }] of accounts) for (const line of [...open]) drop(key, line);
    },
  };
}

export type Pool = ReturnType<typeof createPool>;
