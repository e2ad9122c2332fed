import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const isRoot = process.getuid?.() === 0;

/**
 * Where binaries and running servers live, outside the checkout: `MPD_CACHE`, else `/var/cache/mpd-gateway` as root (servers that
 * refuse root must be able to read it, and `/root` is closed to them), else `~/.cache/mpd-gateway`.
 */
export const cacheDir =
  process.env.MPD_CACHE ?? (isRoot ? '/var/cache/mpd-gateway' : join(homedir(), '.cache', 'mpd-gateway'));

/** The state of running servers: one JSON file a service, one file a user, locks. */
export const stateDir = join(cacheDir, 'state');

/** The folder of this module: start scripts and templates are beside it. */
export const scriptDir = fileURLToPath(new URL('.', import.meta.url));

/** A fresh folder for one run of a server. */
export function runDir(name: string): string {
  const dir = join(cacheDir, 'run', name);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return dir;
}

/** A port of the loopback address that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
