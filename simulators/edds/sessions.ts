import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { EddsFault } from './fault.js';

export interface SimulatedUser {
  readonly user: string;
  readonly password: string;
  readonly domains: readonly string[];
  /** Data types granted; default all. */
  readonly types?: readonly string[];
  /** May let jobs write to file servers; default true. */
  readonly fileServers?: boolean;
}

/** Logins and their tokens. They do not outlive the process. */
export function sessionTable(users: readonly SimulatedUser[], idleMillis: number, now: () => number) {
  const sessions = new Map<string, { readonly user: SimulatedUser; usedAt: number }>();

  return {
    /** A token of 32 upper-case hex characters; the same fault for a wrong password as for an unknown user. */
    login(name: string, password: string): string {
      const user = users.find((one) => one.user === name);
      const right = same(password, user?.password ?? '');
      if (user === undefined || !right) throw new EddsFault('AUTH_FAILED', 'user or password is wrong');
      const token = randomBytes(16).toString('hex').toUpperCase();
      sessions.set(token, { user, usedAt: now() });
      return token;
    },
    /** The token of one who sends user and password with each call, as HTTP Basic; null when they are not right. */
    basic(header: string | undefined): string | null {
      const encoded = /^Basic ([\w+/=]+)$/i.exec(header ?? '')?.[1];
      if (encoded === undefined) return null;
      const [name = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
      const user = users.find((one) => one.user === name);
      if (!same(rest.join(':'), user?.password ?? '') || user === undefined) return null;
      sessions.set(encoded, { user, usedAt: now() });
      return encoded;
    },
    logout: (token: string): void => void sessions.delete(token),
    user(token: string | null): SimulatedUser {
      const session = token === null ? undefined : sessions.get(token);
      if (session === undefined || now() - session.usedAt > idleMillis) {
        if (token !== null) sessions.delete(token);
        throw new EddsFault('NOT_AUTHENTICATED', 'log in first: there is no valid session');
      }
      session.usedAt = now();
      return session.user;
    },
    expireAll: (): void => sessions.clear(),
    get count() {
      return sessions.size;
    },
  };
}

export type SessionTable = ReturnType<typeof sessionTable>;

function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
