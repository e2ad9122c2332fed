import type { Kysely } from 'kysely';
import type { Logger } from 'pino';
import type { ProductMapper } from '../../src/mapping/index.js';
import { type IndexWriter, indexWriter } from './commit.js';
import type { ArchiveConfig } from './config.js';
import { createIntake, type Intake } from './intake.js';
import { nameMatcher, pathIgnored } from './names.js';
import type { Readers } from './readers.js';
import { type FileStat, type Root, sameStat } from './root.js';
import type { ArchiveTables } from './tables.js';
import { type Walked, walk } from './walk.js';
import { type FolderWatcher, folderWatcher } from './watch.js';

export interface ScannerOptions {
  readonly db: Kysely<ArchiveTables>;
  readonly config: ArchiveConfig;
  readonly root: Root;
  readonly readers: Readers;
  readonly mapper: ProductMapper;
  /** Of mapping and options; when it is not that of the index, every file is read again. */
  readonly fingerprint: string;
  readonly domainOf: (path: string) => readonly string[];
  readonly clock: () => bigint;
  readonly log: Logger;
}

export interface Scanner {
  /** Keeps the index as the folder is, until the signal aborts. To be run in one process at a time. */
  run(signal: AbortSignal): Promise<void>;
  /** Look at this path soon: something about it is not as the index says. */
  suspect(path: string): void;
  /** What went wrong in the last sweep; null = nothing, or this process does not scan. */
  readonly problem: string | null;
}

/** A file whose own times are older than this is taken as settled: also with clocks that differ by some minutes. */
const QUIET_NS = 300_000_000_000n;
const MAX_UNDERWAY = 20_000;
const PAGE = 2000;
const MAX_DIRTY = 1000;

export function createScanner(options: ScannerOptions): Scanner {
  let problem: string | null = null;
  let suspects = new Set<string>();
  let wake: () => void = () => undefined;
  return {
    async run(signal) {
      const scan = await startScan(options, signal, (text) => {
        problem = text;
      });
      wake = () => {
        for (const path of suspects) scan.dirty(path);
        suspects = new Set();
      };
      try {
        await scan.loop();
      } finally {
        wake = () => undefined;
        problem = null;
        scan.close();
      }
    },
    suspect(path) {
      suspects.add(path);
      wake();
    },
    get problem() {
      return problem;
    },
  };
}

async function startScan(options: ScannerOptions, signal: AbortSignal, report: (problem: string | null) => void) {
  const { db, config, root, readers, log } = options;
  const backend = config.id;
  const epoch = await takeOver(db, backend, options.fingerprint, log);
  const now = (): number => performance.now();
  const writer: IndexWriter = indexWriter({ ...options, backend, epoch });
  const intake: Intake = createIntake({
    root,
    readers,
    writer,
    settleMs: config.settle,
    believed: async () => (await root.problem(await productCount(db, backend))) === null,
    now,
    signal,
    log,
  });
  const ignored = nameMatcher(config.ignore);
  const dirtyPaths = new Set<string>();
  const refused = new Set<string>();
  let unreadable: string[] = [];

  const dirty = (path: string): void => {
    if (path !== '' && pathIgnored(path, ignored)) return;
    dirtyPaths.add(path);
    intake.wake();
  };
  const watcher: FolderWatcher | null = config.watch ? folderWatcher(root.path, dirty, log) : null;

  const isQuiet = ({ mtimeNs, ctimeNs }: FileStat): boolean => {
    const horizon = options.clock() - BigInt(Math.ceil(config.settle)) * 1_000_000n - QUIET_NS;
    return mtimeNs < horizon && ctimeNs < horizon;
  };

  const walkOptions = {
    ignored,
    signal,
    onFolder: (path: string) => watcher?.add(path),
    onUnreadable: (path: string, error: Error) => {
      unreadable.push(path);
      log.warn({ path, err: error }, 'cannot be read; what is known of it stays');
    },
    onRefused: (path: string, reason: string) => {
      if (refused.has(path) || refused.size >= 10_000) return;
      refused.add(path);
      log.warn({ path, reason }, 'not taken into the archive');
    },
  };

  /** Compares the tree below `start` with the index; both come in the same order, so neither is held in memory. */
  const compare = async (start: string): Promise<void> => {
    const rows = knownFiles(db, backend, start);
    let row = await rows.next();
    const missing = async (known: KnownFile): Promise<void> => {
      if (unreadable.some((folder) => folder === '' || known.path === folder || known.path.startsWith(`${folder}/`)))
        return;
      if ((await root.look(known.path)).kind !== 'file') intake.remove(known.path);
    };
    for await (const chunk of walk(root, start, walkOptions)) {
      for (const file of chunk) {
        while (row !== null && before(row.path, file.path)) {
          await missing(row);
          row = await rows.next();
        }
        const known = row !== null && row.path === file.path ? row : null;
        if (known === null || !sameStat(known, file.stat)) intake.offer(file.path, file.stat, isQuiet(file.stat));
        if (known !== null) row = await rows.next();
      }
      await handleDirty();
      await intake.pump();
      while (intake.size > MAX_UNDERWAY) await step(1000);
    }
    for (; row !== null; row = await rows.next()) await missing(row);
  };

  const step = async (ms: number): Promise<void> => {
    await intake.pause(ms);
    signal.throwIfAborted();
    await handleDirty();
    await intake.pump();
  };

  const handleDirty = async (): Promise<void> => {
    if (dirtyPaths.size === 0) return;
    const paths = [...dirtyPaths].slice(0, MAX_DIRTY);
    for (const path of paths) dirtyPaths.delete(path);
    const known = new Map((await knownExactly(db, backend, paths)).map((file) => [file.path, file]));
    const folders: string[] = [];
    const absent: string[] = [];
    for (const path of paths) {
      const found = await root.look(path).catch(() => null);
      if (found === null) continue;
      if (found.kind === 'file') {
        const index = known.get(path);
        if (index !== undefined && sameStat(index, found.stat)) intake.forget(path);
        else intake.offer(path, found.stat, false);
      } else {
        intake.forget(path);
        if (found.kind === 'folder') folders.push(path);
        else absent.push(path);
        if (found.kind === 'refused') walkOptions.onRefused(path, found.reason);
      }
    }
    for (const path of absent) watcher?.drop(path);
    if (absent.length > 0 && (await root.problem(await productCount(db, backend))) === null) {
      for (const path of absent) {
        if (known.has(path)) intake.remove(path);
        const below = knownFiles(db, backend, path);
        for (let file = await below.next(); file !== null; file = await below.next()) intake.remove(file.path);
      }
    }
    for (const folder of folders) {
      if (known.has(folder)) intake.remove(folder);
      if (folder !== '') watcher?.drop(folder);
      await compare(folder);
    }
  };

  const sweep = async (): Promise<void> => {
    const found = await root.problem(await productCount(db, backend));
    report(found);
    if (found !== null) return log.warn({ reason: found }, 'the archive folder cannot be looked through');
    unreadable = [];
    await compare('');
    const end = now();
    while (intake.pendingSince(end)) await step(1000);
    report(unreadableProblem([...unreadable, ...intake.unreadable.keys()]));
    if (unreadable.includes('')) return;
    await db
      .updateTable('archive_state')
      .set(({ fn, ref }) => ({ swept_at: new Date(), scanned_at: fn.coalesce(ref('scanned_at'), fn<Date>('now')) }))
      .where('backend', '=', backend)
      .where('epoch', '=', epoch)
      .execute();
    await removeOldTombstones(db, backend, config.retention);
  };

  return {
    dirty,
    close: () => watcher?.close(),
    async loop(): Promise<void> {
      for (let next = now(); !signal.aborted; ) {
        if (now() >= next) {
          await sweep();
          next = now() + config.sweep;
        }
        await step(Math.max(0, next - now()));
      }
    },
  };
}

const before = (a: string, b: string): boolean => a !== b && Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

function unreadableProblem(paths: readonly string[]): string | null {
  if (paths.length === 0) return null;
  const shown = [...new Set(paths)].slice(0, 3).map((path) => (path === '' ? 'the folder itself' : path));
  return `${paths.length} files or folders cannot be read (${shown.join(', ')}${paths.length > 3 ? ', …' : ''}): check their permissions`;
}

type KnownFile = { readonly path: string; readonly size: bigint; readonly mtimeNs: bigint; readonly inode: bigint };

const COLUMNS = ['path', 'size', 'mtime_ns as mtimeNs', 'inode'] as const;

/** Index rows below a folder in path order, page by page. */
function knownFiles(db: Kysely<ArchiveTables>, backend: string, folder: string) {
  let page: readonly KnownFile[] = [];
  let at = 0;
  let after = folder === '' ? '' : `${folder}/`;
  let last = false;
  return {
    async next(): Promise<KnownFile | null> {
      if (at >= page.length && !last) {
        let query = db
          .selectFrom('archive_file')
          .select(COLUMNS)
          .where('backend', '=', backend)
          .where('kind', '<>', 'removed')
          .where('path', '>', after);
        // "0" is the character behind "/".
        if (folder !== '') query = query.where('path', '<', `${folder}0`);
        page = await query.orderBy('path').limit(PAGE).execute();
        at = 0;
        last = page.length < PAGE;
        after = page.at(-1)?.path ?? after;
      }
      return page[at++] ?? null;
    },
  };
}

const knownExactly = (db: Kysely<ArchiveTables>, backend: string, paths: readonly string[]): Promise<KnownFile[]> =>
  db
    .selectFrom('archive_file')
    .select(COLUMNS)
    .where('backend', '=', backend)
    .where('kind', '<>', 'removed')
    .where('path', 'in', paths)
    .execute();

async function productCount(db: Kysely<ArchiveTables>, backend: string): Promise<bigint> {
  const row = await db.selectFrom('archive_state').select('products').where('backend', '=', backend).executeTakeFirst();
  return row?.products ?? 0n;
}

/** Makes this process the one whose commits count, and has everything read again when the mapping is another one. */
async function takeOver(db: Kysely<ArchiveTables>, backend: string, fingerprint: string, log: Logger): Promise<bigint> {
  return db.transaction().execute(async (trx) => {
    await trx
      .insertInto('archive_state')
      .values({ backend, seq: 0n, epoch: 0n, products: 0n, mapping: fingerprint })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const { epoch, mapping } = await trx
      .updateTable('archive_state')
      .set((column) => ({ epoch: column('epoch', '+', 1n) }))
      .where('backend', '=', backend)
      .returning(['epoch', 'mapping'])
      .executeTakeFirstOrThrow();
    if (mapping !== fingerprint) {
      log.info({}, 'the mapping has changed: every file of the archive is read again');
      await trx
        .updateTable('archive_file')
        .set({ inode: -1n, mtime_ns: -1n })
        .where('backend', '=', backend)
        .where('kind', '<>', 'removed')
        .execute();
      await trx.updateTable('archive_state').set({ mapping: fingerprint }).where('backend', '=', backend).execute();
    }
    return epoch;
  });
}

async function removeOldTombstones(db: Kysely<ArchiveTables>, backend: string, retentionMs: number): Promise<void> {
  await db
    .deleteFrom('archive_file')
    .where('backend', '=', backend)
    .where('kind', '=', 'removed')
    .where('removed_at', '<', new Date(Date.now() - retentionMs))
    .execute();
}

export type { Walked };
