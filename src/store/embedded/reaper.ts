import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Layout } from './layout.js';

/** Reads until the parent closes its end, by will or by death; then ends the server named in postmaster.pid and removes its files. */
const SCRIPT = `
cat >/dev/null
pid=$(head -n 1 "$1" 2>/dev/null)
[ -n "$pid" ] && kill -INT "$pid" 2>/dev/null
n=0
while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done
shift
rm -rf "$@"
`;

/** A small process of its own that outlives this one and cleans up after an ephemeral server, unless it is dismissed. */
export function stopWithParent(layout: Layout, dir: string): { dismiss(): void } {
  const child = spawn(
    '/bin/sh',
    ['-c', SCRIPT, 'reaper', join(layout.data, 'postmaster.pid'), layout.base, layout.sockets, dir],
    {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  );
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  child.stdin.on('error', () => undefined);
  return {
    dismiss() {
      child.kill('SIGKILL');
      child.stdin.end();
    },
  };
}
