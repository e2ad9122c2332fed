import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './account.js';
import type { Binaries } from './binaries.js';
import { SUPERUSER } from './connection.js';
import type { Layout } from './layout.js';

/** Makes the data folder when absent (it appears complete or not at all) and checks its major version; gives the password. */
export async function ensureData(layout: Layout, binaries: Binaries, account: Account): Promise<string> {
  for (const name of readdirSync(layout.base))
    if (name.startsWith('new-')) rmSync(join(layout.base, name), { recursive: true, force: true });
  if (!existsSync(layout.data)) return initialise(layout, binaries, account);
  const found = Number(readFileSync(join(layout.data, 'PG_VERSION'), 'utf8'));
  if (found !== binaries.major)
    throw new Error(
      `${layout.data} was made by PostgreSQL ${found}, this gateway brings ${binaries.major}: with the older gateway run "mpd-gateway store export", move ${layout.dir} away, and with this one "mpd-gateway store import"`,
    );
  return readFileSync(layout.password, 'utf8').trim();
}

async function initialise(layout: Layout, binaries: Binaries, account: Account): Promise<string> {
  const password = randomBytes(24).toString('base64url');
  const work = join(layout.base, `new-${process.pid}`);
  mkdirSync(work, { mode: 0o700 });
  const pwfile = join(work, 'password');
  writeFileSync(pwfile, password, { mode: 0o600 });
  for (const path of [work, pwfile])
    if (account.uid !== undefined && account.gid !== undefined) chownSync(path, account.uid, account.gid);
  const args = [
    '-D',
    join(work, 'data'),
    '-U',
    SUPERUSER,
    `--pwfile=${pwfile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
  ];
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions'];
  try {
    await promisify(execFile)(binaries.initdb, [...args, ...locale], {
      cwd: '/',
      env: { ...binaries.env, PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C' },
      ...(account.uid === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    throw new Error(`the embedded database could not be made in ${layout.base}: ${(stderr || message).trim()}`, {
      cause,
    });
  }
  writeFileSync(layout.password, `${password}\n`, { mode: 0o600, flush: true });
  renameSync(join(work, 'data'), layout.data);
  rmSync(work, { recursive: true, force: true });
  return password;
}
