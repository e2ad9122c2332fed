import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, BackendFactory } from '../../src/gateway/backend.js';
import { createWaker } from '../../src/gateway/waker.js';
import { bundledMapping, loadMapping, productMapper } from '../../src/mapping/index.js';
import { unknown } from '../../src/mpd/index.js';
import { holdLease, isRetry, type Store } from '../../src/store/index.js';
import { TakenOver } from './commit.js';
import { archiveConfig } from './config.js';
import { followFiles } from './follow.js';
import { archiveHealth } from './health.js';
import { findFiles, getFiles, listFiles, rowOf } from './list.js';
import { openFile } from './open.js';
import { compileReaders, readersSchema } from './readers.js';
import { archiveRoot } from './root.js';
import { createScanner } from './scanner.js';
import { type ArchiveTables, CHANNEL } from './tables.js';

const LEASE_MS = 10_000;

/** A folder tree as a backend: every file is a product, indexed in the gateway's database by whichever gateway scans. */
export const createBackend: BackendFactory = async (entry, { store, log: parentLog, clock }) => {
  const config = archiveConfig(entry);
  const { id } = config;
  const log = parentLog.child({ backend: id });
  const db = (store as Store<ArchiveTables>).db;
  const mapping = await loadMapping(config.mapping ?? bundledMapping('archive.yaml'), readersSchema);
  const mapper = productMapper(mapping.products);
  const readers = compileReaders(mapping.readers);
  const root = archiveRoot(config.path, config);
  const domainOf = (path: string): readonly string[] =>
    config.domainFolders === 0
      ? config.domain
      : [...config.domain, ...path.split('/').slice(0, -1).slice(0, config.domainFolders)];
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([mapping.products, mapping.readers, config.domain, config.domainFolders], bigintsAsText))
    .digest('hex');
  const scanner = createScanner({ db, config, root, readers, mapper, fingerprint, domainOf, clock, log });
  const closing = new AbortController();
  const waker = createWaker();
  const unlisten = await store.listen(CHANNEL, (payload) => {
    if (payload === undefined || payload === id) waker.wake();
  });

  const scanning = keepScanning(async (signal) => {
    await holdLease(db, `archive:${id}`, { ttlMs: LEASE_MS, signal, log }, (inner) => scanner.run(inner));
  });

  async function keepScanning(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await work(closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        if (error instanceof TakenOver) log.info({}, error.message);
        else if (isRetry(error)) log.warn({ reason: (error as Error).message }, 'scanning the archive waits');
        else log.error({ err: error }, 'scanning the archive failed; it starts again');
      }
      await sleep(1000, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  const backend: Backend = {
    id,
    domains: [config.domain],
    capabilities: { feed: 'durable', ranges: true, upstream: false, checksum: 'sha-256', folders: true },
    productTypes: async () => mapper.types,
    list: (query, options) => listFiles(db, id, mapper, query, options),
    get: (refs) => getFiles(db, id, mapper, refs),
    async open(ref, options) {
      const row = (options.entry && rowOf(options.entry)) ?? (await findFiles(db, id, [ref]))[0];
      if (row === undefined || row === null) throw unknown(null, `${ref.key} is not in the archive`);
      return openFile(root, row, options, scanner.suspect);
    },
    follow: (request, { signal }) =>
      followFiles(db, id, mapper, request, waker, AbortSignal.any([signal, closing.signal])),
    check: () => archiveHealth(db, config, root, scanner.problem),
    async close() {
      closing.abort();
      waker.wake();
      await unlisten();
      await scanning;
    },
  };
  return backend;
};

const bigintsAsText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
