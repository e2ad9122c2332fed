import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import type { Backend, Change, Entry } from '../../src/gateway/backend.js';
import { type Store, storeMigrations } from '../../src/store/index.js';
import { type TestStore, testStore } from '../../src/store/testing.js';
import { createBackend } from './backend.js';
import { type ArchiveTables, migrations } from './tables.js';

export const archiveStore = (): Promise<TestStore<ArchiveTables>> =>
  testStore<ArchiveTables>({ migrations: { ...storeMigrations, ...migrations } });

/** An empty folder of its own; `remove` takes it away. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'mpd-archive-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Archive of tests: settles at once unless told otherwise; events and sweep as in production. */
export const openArchive = (
  store: Store<ArchiveTables>,
  path: string,
  config: Record<string, unknown> = {},
): Promise<Backend> =>
  createBackend(
    { id: 'local', domain: ['local'], path, settle: 0, ...config },
    {
      store: store as Store,
      log: pino({ level: process.env.ARCHIVE_LOG ?? 'silent' }),
      guard: undefined as never,
      clock: () => BigInt(Date.now()) * 1_000_000n,
    },
  );

/** Writes a file and the folders above it. @param mtime seconds since 1970 */
export async function put(root: string, path: string, content: string | Uint8Array, mtime?: number): Promise<void> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, content);
  if (mtime !== undefined) await utimes(full, mtime, mtime);
}

/** Follows a backend from its present state on. */
export async function follower(backend: Backend, from: string | null = null) {
  const { signal } = new AbortController();
  let { cursor } =
    from === null ? await backend.follow({ cursor: null, interest: null }, { signal }) : { cursor: from };
  const seen: Change[] = [];
  return {
    get cursor() {
      return cursor;
    },
    /** Everything seen until the condition holds. */
    async until(done: (changes: readonly Change[]) => boolean): Promise<readonly Change[]> {
      while (!done(seen)) {
        const result = await backend.follow({ cursor, interest: null }, { signal });
        cursor = result.cursor;
        seen.push(...result.changes);
      }
      return seen.splice(0);
    },
    next(count: number): Promise<readonly Change[]> {
      return this.until((changes) => changes.length >= count);
    },
  };
}

export const keyOf = (change: Change): string =>
  change.kind === 'removed' ? change.ref.key : change.entry.metadata.productRef.key;

export async function listAll(backend: Backend, query: Partial<Parameters<Backend['list']>[0]> = {}): Promise<Entry[]> {
  const entries: Entry[] = [];
  const options = { order: 'created', limit: 1000, signal: new AbortController().signal } as const;
  const full = { filter: null, created: null, content: null, updated: null, ...query };
  for await (const { entry } of backend.list(full, options)) entries.push(entry);
  return entries;
}
