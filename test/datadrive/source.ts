import { afterAll, afterEach, beforeAll } from 'vitest';
import type { DataDriveTables } from '../../adapters/datadrive/tables.js';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import type { Backend, BackendQuery, Change, Entry } from '../../src/gateway/backend.js';
import type { TestStore } from '../../src/store/testing.js';
import type { Service } from '../services/index.js';
import { configFor, dataDriveStore, openDataDrive } from './backend.js';
import { startOn } from './harness.js';

/** The object type of the files that `put` writes. */
export const kernel = 'm2020-spice-kernel';
export const signal: AbortSignal = new AbortController().signal;

export const ALL: BackendQuery = { filter: null, created: null, content: null, updated: null };
export const under = (pathPrefix: string): BackendQuery => ({ ...ALL, filter: { pathPrefix } });

export async function listAll(backend: Backend, query: BackendQuery = ALL, limit = 1000): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of backend.list(query, { order: 'created', limit, signal })) entries.push(entry);
  return entries;
}

export async function one(backend: Backend, path: string): Promise<Entry> {
  const [entry] = await listAll(backend, under(path));
  if (!entry) throw new Error(`${path} is not listed`);
  return entry;
}

export async function textOf(backend: Backend, entry: Entry, offset = 0): Promise<string> {
  const { stream } = await backend.open(entry.metadata.productRef, { revision: entry.revision, offset, signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** The path of a change; the key of a removal. */
export const pathOf = (change: Change): string | null =>
  change.kind === 'removed' ? change.ref.key : change.entry.path;

/** Where the feed stands now. */
export const start = async (backend: Backend): Promise<string> =>
  (await backend.follow({ cursor: null, interest: null }, { signal })).cursor;

/** Changes from a cursor on, until they are as they should be. */
export async function collect(
  backend: Backend,
  cursor: string,
  until: (seen: readonly Change[]) => boolean,
): Promise<{ readonly seen: readonly Change[]; readonly cursor: string }> {
  const seen: Change[] = [];
  let at = cursor;
  while (!until(seen)) {
    const result = await backend.follow({ cursor: at, interest: null }, { signal: AbortSignal.timeout(30_000) });
    seen.push(...result.changes);
    at = result.cursor;
  }
  return { seen, cursor: at };
}

type Config = ReturnType<typeof configFor>;

/** One source for the tests of a file; after each test its faults are gone and its backends closed. */
export interface TestSource {
  readonly dd: DataDriveSimulator;
  config(change?: Readonly<Record<string, unknown>>): Config;
  open(change?: Readonly<Record<string, unknown>>): Promise<Backend>;
  /** Opens by exactly this configuration. */
  openWith(config: Parameters<typeof openDataDrive>[1]): Promise<Backend>;
  /** Writes a kernel of the package m2020-spice. */
  put(
    fullName: string,
    text?: string,
    metadata?: Readonly<Record<string, unknown>>,
  ): Promise<Awaited<ReturnType<DataDriveSimulator['put']>>['document']>;
  /** The login token of a user, without the name of its cookie. */
  token(user: string): string;
}

/** Call in a `describe`, before other `beforeAll` that need the source. */
export function testSource(index: Service, s3: Service): TestSource {
  let dd: DataDriveSimulator;
  let store: TestStore<DataDriveTables>;
  const opened: Backend[] = [];
  const openWith: TestSource['openWith'] = async (config) => {
    const backend = await openDataDrive(store, config);
    opened.push(backend);
    return backend;
  };

  beforeAll(async () => {
    [dd, store] = await Promise.all([startOn(index, s3, { pageSize: 50 }), dataDriveStore()]);
  });
  afterEach(async () => {
    dd.clearFaults();
    dd.setClock(0);
    for (const backend of opened.splice(0)) await backend.close();
  });
  afterAll(async () => {
    await store.close();
    await dd.stop({ destroy: true });
  });

  return {
    get dd() {
      return dd;
    },
    config: (change) => configFor(dd, s3, change),
    open: (change) => openWith(configFor(dd, s3, { id: `b${opened.length}`, ...change })),
    openWith,
    async put(fullName, text = 'content', metadata = { kernel_type: 'CK' }) {
      const file = { package: 'm2020-spice', fullName, type: kernel, body: Buffer.from(text), metadata };
      return (await dd.put(file)).document;
    },
    token: (user) => dd.cookie(user).replace(/^[^=]+=/, ''),
  };
}
