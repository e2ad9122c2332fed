/** Where the crash harness may end the process, in the order of a product's life. */
export const CRASH_POINTS = [
  'before-intake',
  'after-journal',
  'after-match',
  'after-intake',
  'after-lease',
  'after-send',
  'after-rename',
  'after-landed',
  'before-final',
  'after-final',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];

const passages = new Map<string, number>();

/**
 * Ends this process as `kill -9` does at the n-th passage of the point that `MPD_GATEWAY_CRASH_AT=name:n` names; nothing
 * otherwise. For tests of what survives.
 */
export function crashPoint(name: CrashPoint): void {
  const wanted = process.env.MPD_GATEWAY_CRASH_AT;
  if (wanted === undefined || !wanted.startsWith(`${name}:`)) return;
  const count = (passages.get(name) ?? 0) + 1;
  passages.set(name, count);
  if (count === Number(wanted.slice(name.length + 1))) process.kill(process.pid, 'SIGKILL');
}
