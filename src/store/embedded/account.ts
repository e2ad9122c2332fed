import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** Who the server runs as. Without `uid`: the user of this process. */
export interface Account {
  readonly name: string;
  readonly uid?: number;
  readonly gid?: number;
}

const OWN_USER = 'mpd-gateway';

/**
 * PostgreSQL refuses to run as root: then the owner of a data folder that exists, else a system user of its own, made when
 * absent, or one that every system has.
 */
export function serverAccount(data: readonly string[] = []): Account {
  if (process.getuid?.() !== 0) return { name: 'the current user' };
  for (const path of data) {
    const { uid, gid } = statSync(path, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 };
    if (uid !== 0) return { name: `number ${uid}`, uid, gid };
  }
  const own = lookUp(OWN_USER);
  if (own) return own;
  spawnSync(
    'useradd',
    ['--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', OWN_USER],
    {
      stdio: 'ignore',
    },
  );
  const account = lookUp(OWN_USER) ?? lookUp('postgres') ?? lookUp('nobody');
  if (!account)
    throw new Error(
      'the embedded database must not run as root and there is no other user (mpd-gateway, postgres, nobody): run the gateway as a normal user, or set store.url',
    );
  return account;
}

/** Reads a user from the text of /etc/passwd. */
export function parsePasswd(text: string, name: string): Account | undefined {
  for (const line of text.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && uid && gid && uid !== '0') return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function lookUp(name: string): Account | undefined {
  return parsePasswd(readFileSync('/etc/passwd', 'utf8'), name);
}
