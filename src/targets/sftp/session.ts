import ssh2, { type SFTPWrapper, type Stats } from 'ssh2';
import type { Guard } from '../../net/guard.js';
import { type Account, isPinned } from './account.js';
import { ConnectionLost, STATUS, statusOf } from './errors.js';

/** One SFTP channel as promises. Requests of several deliveries run on it at once. */
export interface Session {
  readonly isOpen: () => boolean;
  /** The server answers `posix-rename@openssh.com`. */
  readonly posixRename: boolean;
  /** Bytes of one write or read that the server takes whole. */
  readonly packet: number;
  /** `wx+`: what is written can be read back by the same handle. */
  open(path: string, flags: 'wx' | 'wx+' | 'r'): Promise<Buffer>;
  /** At most a packet; the data have been copied when this returns. */
  write(handle: Buffer, data: Buffer, position: number): Promise<void>;
  /** Bytes read into `into` at its beginning; 0 at the end of the file. */
  read(handle: Buffer, into: Buffer, position: number): Promise<number>;
  /** Flushes to disk where the server can. */
  sync(handle: Buffer): Promise<void>;
  close(handle: Buffer): Promise<void>;
  lstat(path: string): Promise<Stats | null>;
  stat(path: string): Promise<Stats | null>;
  list(path: string): Promise<readonly string[]>;
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  replace(from: string, to: string): Promise<void>;
  /** Ends the connection after what was asked is answered, or at once with whatever is unanswered failing. */
  end(how?: 'now'): void;
}

interface Options {
  readonly guard: Guard;
  readonly signal: AbortSignal;
  /** A request without an answer for so long ends the connection; default 60 s. */
  readonly silenceMs?: number;
}

/** What the library knows of the server and has no declaration for. */
interface Told {
  readonly _extensions?: Readonly<Record<string, string>>;
  readonly _maxReadLen?: number;
  readonly _maxWriteLen?: number;
}

/** Beyond this larger packets gain nothing. */
const LARGEST = 256 * 1024;
const SMALLEST = 16 * 1024;

/** Up to what the server says it takes: larger ones would be sent in two steps, one after the answer to the other. */
function packetOf({ _maxReadLen = 0, _maxWriteLen = 0 }: Told): number {
  const most = Math.min(_maxReadLen, _maxWriteLen, LARGEST);
  const step = most >= 32 * 1024 ? 32 * 1024 : 1024;
  return Math.max(SMALLEST, Math.floor(most / step) * step);
}

/** Connects where the guard lets, checks the host key, logs in and opens the channel. */
export async function openSession(account: Account, options: Options): Promise<Session> {
  const { guard, signal, silenceMs = 60_000 } = options;
  const sock = await guard.connect(`sftp://${account.host}:${account.port}`, { signal });
  const client = new ssh2.Client();
  let lost: Error | undefined;
  const pending = new Set<(error: Error) => void>();
  const lose = (error: Error): void => {
    lost ??= error;
    for (const reject of pending) reject(lost);
    pending.clear();
    client.destroy();
  };
  const sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
    const abort = (): void => {
      client.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    let verified = true;
    client.once('ready', () => {
      client.sftp((error, channel) => {
        signal.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve(channel);
      });
    });
    client.on('error', (error) => {
      signal.removeEventListener('abort', abort);
      lose(new ConnectionLost(`the connection was lost: ${error.message}`));
      reject(verified ? error : new Error('the server shows another host key than the pinned one'));
    });
    client.on('close', () => lose(new ConnectionLost('the connection was closed')));
    client.connect({
      sock,
      username: account.username,
      ...(account.password !== undefined && { password: account.password }),
      ...(account.privateKey !== undefined && { privateKey: account.privateKey }),
      ...(account.passphrase !== undefined && { passphrase: account.passphrase }),
      readyTimeout: 20_000,
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      hostVerifier: (key: Buffer) => {
        verified = isPinned(account, key);
        return verified;
      },
      algorithms: { cipher: { append: [], prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], remove: [] } },
    });
  });

  // What is asked in one turn, by however many deliveries, goes out in one write.
  let gathering = false;
  const gather = (): void => {
    if (gathering) return;
    gathering = true;
    sock.cork();
    setImmediate(() => {
      gathering = false;
      sock.uncork();
    });
  };
  type Callback<T> = (error: Error | null | undefined, value?: T) => void;
  const ask = <T>(start: (done: Callback<T>) => void): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (lost) return reject(lost);
      const timer = setTimeout(() => lose(new ConnectionLost(`no answer for ${silenceMs} ms`)), silenceMs);
      const settle = (): void => {
        clearTimeout(timer);
        pending.delete(fail);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      pending.add(fail);
      gather();
      try {
        start((error, value) => {
          settle();
          if (error) reject(error);
          else resolve(value as T);
        });
      } catch (error) {
        fail(error as Error);
      }
    });
  const orNull = (path: string, follow: boolean): Promise<Stats | null> =>
    ask<Stats>((done) => (follow ? sftp.stat(path, done) : sftp.lstat(path, done))).catch((error) => {
      if (statusOf(error) === STATUS.noSuchFile) return null;
      throw error;
    });
  const told = sftp as unknown as Told;
  const extensions = told._extensions ?? {};
  let canSync = true;
  return {
    isOpen: () => lost === undefined,
    packet: packetOf(told),
    posixRename: extensions['posix-rename@openssh.com'] !== undefined,
    open: (path, flags) => ask<Buffer>((done) => sftp.open(path, flags as 'wx', done)),
    write: (handle, data, position) => ask((done) => sftp.write(handle, data, 0, data.length, position, done)),
    read: (handle, into, position) =>
      ask<number>((done) =>
        sftp.read(handle, into, 0, into.length, position, (error, count) => done(error, count)),
      ).catch((error) => {
        if (statusOf(error) === 1) return 0;
        throw error;
      }),
    async sync(handle) {
      if (!canSync) return;
      try {
        await ask((done) => sftp.ext_openssh_fsync(handle, done));
      } catch (error) {
        if (error instanceof ConnectionLost) throw error;
        canSync = false;
      }
    },
    close: (handle) => ask((done) => sftp.close(handle, done)),
    lstat: (path) => orNull(path, false),
    stat: (path) => orNull(path, true),
    list: async (path) =>
      (await ask<readonly { readonly filename: string }[]>((done) => sftp.readdir(path, done))).map((f) => f.filename),
    makeFolder: (path) => ask((done) => sftp.mkdir(path, done)),
    remove: (path) => ask((done) => sftp.unlink(path, done)),
    rename: (from, to) => ask((done) => sftp.rename(from, to, done)),
    replace: (from, to) => ask((done) => sftp.ext_openssh_rename(from, to, done)),
    end: (how) => (how === 'now' ? lose(new ConnectionLost('the connection was given up')) : client.end()),
  };
}
