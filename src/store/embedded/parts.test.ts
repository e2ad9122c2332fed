import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Account, parsePasswd, serverAccount } from './account.js';
import { locatePackage, prepareBinaries } from './binaries.js';
import { makeOwned, prepareLayout, reachable, socketFolder } from './layout.js';
import { lockFolder } from './lock.js';
import { isAlive, isServerOf } from './postmaster.js';

const root = process.getuid?.() === 0;
const self: Account = { name: 'the current user' };
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mpd-parts-'));
  chmodSync(dir, 0o755);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('binaries', () => {
  /** The package as npm leaves it when install scripts are blocked. */
  function unlinkedPackage(to: string): string {
    cpSync(locatePackage(), to, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
    return to;
  }

  const version = (binaries: ReturnType<typeof prepareBinaries>, account: Account) =>
    execFileSync(binaries.initdb, ['--version'], {
      env: binaries.env,
      cwd: '/',
      encoding: 'utf8',
      ...(account.uid === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });

  it('run without the links that a blocked install script did not make, and leave the package alone', () => {
    const from = unlinkedPackage(join(dir, 'package'));
    const account = serverAccount();
    const before = readdirSync(join(from, 'native', 'lib'));
    expect(before).not.toContain('libpq.so.5');
    const binaries = prepareBinaries(from, join(dir, 'runtime'), account);
    expect(binaries.major).toBe(18);
    expect(version(binaries, account)).toContain('initdb (PostgreSQL) 18');
    expect(readdirSync(join(from, 'native', 'lib'))).toEqual(before);
  });

  it.skipIf(!root)('are copied when the server user cannot reach the package (skipped: needs root)', () => {
    const closed = join(dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const account = serverAccount();
    const binaries = prepareBinaries(unlinkedPackage(join(closed, 'package')), join(dir, 'runtime-copy'), account);
    expect(binaries.initdb.startsWith(join(dir, 'runtime-copy'))).toBe(true);
    expect(version(binaries, account)).toContain('initdb (PostgreSQL) 18');
  });

  it('that do not exist for the platform: says to set store.url', () => {
    expect(() => locatePackage('aix', 'ppc64')).toThrow(/aix-ppc64.*set store\.url/);
  });
});

describe('account', () => {
  it('is found in the password file, never root under another name', () => {
    const text = 'root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\nmpd-gateway:x:998:997::/nonexistent:\n';
    expect(parsePasswd(text, 'mpd-gateway')).toEqual({ name: 'mpd-gateway', uid: 998, gid: 997 });
    expect(parsePasswd(text, 'toor')).toBeUndefined();
    expect(parsePasswd(text, 'mpd')).toBeUndefined();
  });

  it('is nobody else when this process is not root, a normal user when it is', () => {
    const account = serverAccount();
    if (root) expect(account.uid).toBeGreaterThan(0);
    else expect(account.uid).toBeUndefined();
  });

  it.skipIf(!root)('is the owner of the data that exists (skipped: needs root)', () => {
    const data = join(dir, 'owned-data');
    mkdirSync(data);
    expect(serverAccount([join(dir, 'absent'), data]).uid).toBe(serverAccount().uid);
    chownSync(data, 54_321, 54_322);
    expect(serverAccount([join(dir, 'absent'), data])).toMatchObject({ uid: 54_321, gid: 54_322 });
  });
});

describe('folders', () => {
  it.skipIf(!root)(
    'that the server user cannot reach are kept elsewhere, the same each time (skipped: needs root)',
    () => {
      const closed = join(dir, 'closed-home');
      mkdirSync(join(closed, 'store'), { recursive: true });
      chmodSync(closed, 0o700);
      const account = serverAccount();
      expect(reachable(join(closed, 'store'), account)).toBe(false);
      const layout = prepareLayout(join(closed, 'store'), account);
      expect(reachable(layout.base, account)).toBe(true);
      expect(prepareLayout(join(closed, 'store'), account)).toEqual(layout);
      rmSync(layout.base, { recursive: true });
      expect(() => prepareLayout(join(closed, 'store'), account)).toThrow('which is gone');
    },
  );

  it.skipIf(!root)('that are closed themselves let the server user pass (skipped: needs root)', () => {
    const own = mkdtempSync(join(dir, 'closed-'));
    const account = serverAccount();
    expect(reachable(own, account)).toBe(false);
    expect(prepareLayout(own, account).base).toBe(own);
    expect(lstatSync(own).mode & 0o777).toBe(0o711);
  });

  it('for sockets are short and nobody else’s', () => {
    expect(socketFolder('/srv/mpd', 'run', '.s.PGSQL.5432')).toBe('/srv/mpd/run');
    const long = socketFolder(`/srv/${'x'.repeat(120)}`, 'run', '.s.PGSQL.5432');
    expect(long.startsWith(tmpdir())).toBe(true);
    expect(socketFolder(`/srv/${'y'.repeat(120)}`, 'run', '.s.PGSQL.5432')).not.toBe(long);
    makeOwned(join(dir, 'own'), self);
    expect(lstatSync(join(dir, 'own')).mode & 0o777).toBe(0o700);
    if (process.getuid?.() !== 0) expect(() => makeOwned('/root-owned-or-absent/x', self)).toThrow();
  });
});

describe('lock', () => {
  it('is held by one of many who try at once, and goes on when released', async () => {
    const folder = join(dir, 'locked');
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => lockFolder(folder)));
    const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) value.release();
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`pid ${process.pid}`);
    lock.release();
    (await lockFolder(folder)).release();
  });

  it('does not stay behind a killed process', async () => {
    const folder = join(dir, 'abandoned');
    const child = fork('--input-type=module', [], {
      execArgv: [
        '--import',
        'tsx',
        '-e',
        `import { lockFolder } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
        await lockFolder(${JSON.stringify(folder)}); process.send('held'); setInterval(() => undefined, 1000);`,
      ],
    });
    await once(child, 'message');
    await expect(lockFolder(folder)).rejects.toThrow(`pid ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await lockFolder(folder);
    expect(readdirSync(join(folder, 'lock'))).toHaveLength(1);
    lock.release();
    expect(existsSync(join(folder, 'lock'))).toBe(true);
  });
});

describe('postmaster', () => {
  it('is not any process that has its pid', () => {
    expect(isAlive(process.pid)).toBe(true);
    expect(isServerOf(process.pid, dir)).toBe(false);
    expect(isAlive(2 ** 30)).toBe(false);
  });
});
