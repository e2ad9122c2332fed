/** A local stand-in for DataDrive/OCS over a real search server and a real object store (spec §11). */
import { existsSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Access } from './access.js';
import { serveControl } from './control.js';
import { DirectSearch } from './direct-search.js';
import { Download } from './download.js';
import { type FaultName, type FaultScope, Faults, type FaultValues } from './faults.js';
import { Feed } from './feed.js';
import { exchangeOf, sendJson } from './http.js';
import { m2020ObjectTypes, m2020Packages, oddNames, readFolder, readRelease } from './m2020.js';
import { type Parts, serve } from './middleware.js';
import { ObjectStore } from './object-store.js';
import { type DataDriveSimulatorOptions, defaultUsers } from './options.js';
import { Playback } from './playback.js';
import { type FileDocument, type PutFile, type PutResult, Repository } from './repository.js';
import { type SavedSearch, SavedSearches } from './saved-searches.js';
import { SearchNode } from './search-node.js';
import { Uploads } from './uploads.js';

export { type FaultName, type FaultScope, type FaultValues, faultNames } from './faults.js';
export { m2020ObjectTypes, m2020Packages } from './m2020.js';
export * from './options.js';
export type { FileDocument, PutFile, PutResult } from './repository.js';
export type { SavedSearch } from './saved-searches.js';

export interface LoadResult {
  readonly new: number;
  readonly updated: number;
  readonly touched: number;
}

export interface RequestLog {
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly user: string | null;
  readonly status: number;
}

export interface SimulatorState {
  readonly files: number;
  readonly sockets: number;
  readonly now: string;
  readonly faults: Readonly<Record<string, unknown>>;
  readonly packages: readonly string[];
  readonly objectTypes: readonly string[];
}

export interface DataDriveSimulator {
  /** Middleware and data endpoint, one host as the public client allows. */
  readonly url: string;
  readonly websocketUrl: string;
  /** Direct search behind the same cookie. */
  readonly searchUrl: string;
  readonly controlUrl: string;
  /** Alias of each object type, and the buckets, with the prefix. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly buckets: readonly string[];
  /** `ssosession=…` or `mdmsSsoToken=…` of a configured user. */
  cookie(user: string): string;
  now(): number;
  setClock(offsetMs: number): void;
  put(file: PutFile): Promise<PutResult>;
  touch(datasetId: string): Promise<FileDocument>;
  delete(datasetId: string): Promise<void>;
  move(datasetId: string, packageId: string, path: string, name: string): Promise<FileDocument>;
  files(): readonly FileDocument[];
  /** A release of the m2020 data, or any folder (then every file gets `type`, default the first object type). */
  load(folder: string, options?: { readonly package?: string; readonly type?: string }): Promise<LoadResult>;
  addSavedSearch(search: SavedSearch): Promise<void>;
  setFault<Name extends FaultName>(name: Name, value: FaultValues[Name] | false, scope?: FaultScope): void;
  clearFaults(): void;
  state(): SimulatorState;
  log(): readonly RequestLog[];
  /** Stops serving; with `destroy` the indices and buckets go too. */
  stop(options?: { readonly destroy?: boolean }): Promise<void>;
}

const maxLog = 2000;

export async function startDataDriveSimulator(options: DataDriveSimulatorOptions): Promise<DataDriveSimulator> {
  const node = await SearchNode.connect(options.search.url);
  const objects = new ObjectStore(options.s3);
  const faults = new Faults();
  const requests: RequestLog[] = [];
  let offset = 0;
  const now = (): number => Date.now() + offset + (faults.peek('clockSkewMs') ?? 0);
  const note = (entry: RequestLog): void => {
    requests.push(entry);
    if (requests.length > maxLog) requests.shift();
  };
  const prefix = options.prefix ?? '';
  const repository = new Repository(
    options.packages ?? m2020Packages,
    options.objectTypes ?? m2020ObjectTypes,
    ...([node, objects, faults, prefix, now] as const),
    (event) => feed.publish(event),
    options.newIdOnOverwrite ?? false,
    (text) => warn(text),
  );
  const aliases = Object.fromEntries(repository.objectTypes.map(({ name }) => [name, repository.aliasOf(name)]));
  const access = new Access(options.users ?? defaultUsers, options.policies ?? []);
  const searches = new SavedSearches(node, repository.savedSearches, Object.values(aliases).join(','));
  const warn = (text: string): void =>
    note({ at: new Date(now()).toISOString(), method: 'WS', path: text, user: null, status: 0 });
  const identity = options.identity ?? 'datadrive-sim';
  const feed: Feed = new Feed(access, searches, faults, (id) => repository.packageOf(id), identity, warn);
  const parts: Parts = {
    ...{ access, repository, searches },
    playback: new Playback(node, repository, searches, access, faults, options.pageSize ?? 500),
    uploads: new Uploads(repository, access, faults, feed),
    download: new Download(repository, objects, access, faults, options.presignedSeconds ?? 300),
    search: new DirectSearch(node, repository, access, faults),
  };
  await repository.create();

  const listener: RequestListener = (request, response) => {
    const exchange = exchangeOf(request, response);
    serve(exchange, parts)
      .then((user) => {
        const { method, rawPath: path } = exchange;
        note({ at: new Date(now()).toISOString(), method, path, user: user ?? null, status: response.statusCode });
      })
      .catch((error: Error) => fail(response, error));
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.on('upgrade', (request, socket, head) => feed.upgrade(request, socket, head));
  const control = createServer((request, response) => {
    serveControl(exchangeOf(request, response), simulator).catch((error: Error) => fail(response, error));
  });
  const [port, controlPort] = await Promise.all([
    listen(server, options.port ?? 0, options.host),
    listen(control, options.controlPort ?? 0),
  ]);
  const url = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;

  const simulator: DataDriveSimulator = {
    ...{ url, aliases, buckets: repository.buckets, now },
    websocketUrl: url.replace('http', 'ws'),
    searchUrl: `${url}/es`,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    cookie(user) {
      const found = access.users.find((one) => one.user === user);
      if (!found) throw new RangeError(`no user ${user}`);
      return `${found.family === 'csso' ? 'ssosession' : 'mdmsSsoToken'}=${found.token}`;
    },
    setClock(offsetMs) {
      offset = offsetMs;
    },
    put: (file) => repository.put(file),
    touch: (id) => repository.touch(id),
    delete: (id) => repository.delete(id),
    move: (id, pkg, path, name) => repository.move(id, pkg, path, name),
    files: () => repository.files,
    addSavedSearch: (search) => searches.add(search),
    setFault(name, value, scope) {
      if (name === 'cutSocket' && value) feed.cut(scope?.user);
      if (name === 'expireToken') {
        if (value) access.expire(scope?.user);
        else access.restore();
      }
      faults.set(name, value, scope);
    },
    clearFaults() {
      faults.clear();
      access.restore();
    },
    async load(folder, { package: pkg = repository.packages[0]?.name ?? '', type } = {}) {
      const isRelease = type === undefined && existsSync(join(folder, 'spice_kernels'));
      const fallback = type ?? repository.objectTypes[0]?.name ?? '';
      const files = isRelease ? readRelease(folder) : readFolder(folder, fallback);
      const odd = faults.take('oddNames') ? oddNames : [];
      const kinds = { new: 0, updated: 0, touched: 0 };
      for (const file of files) kinds[(await repository.put({ package: pkg, ...file })).kind]++;
      for (const fullName of odd) {
        const body = Buffer.from(fullName);
        kinds[(await repository.put({ package: pkg, fullName, type: files.at(-1)?.type ?? fallback, body })).kind]++;
      }
      return kinds;
    },
    state: () => ({
      files: repository.files.length,
      sockets: feed.size,
      now: new Date(now()).toISOString(),
      faults: faults.on(),
      packages: repository.packages.map((pkg) => pkg.name),
      objectTypes: repository.objectTypes.map((type) => type.name),
    }),
    log: () => requests,
    async stop({ destroy = false } = {}) {
      feed.close();
      await Promise.all([shut(server), shut(control)]);
      await repository.settle();
      if (destroy) await repository.destroy();
      objects.close();
    },
  };
  return simulator;
}

function fail(response: Parameters<RequestListener>[1], error: Error): void {
  if (response.headersSent) response.destroy();
  else sendJson(response, error instanceof RangeError ? 400 : 500, { error: true, message: error.message });
}

function listen(server: Server, port: number, host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
