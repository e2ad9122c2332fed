import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BackendModule } from './gateway/backend.js';
import type { TargetModule } from './gateway/target.js';
import { invalid } from './mpd/index.js';

/** What the tree brings, loaded when the configuration names it. Keys are `kind` of a backend and the folder of a target. */
const ADAPTERS: Readonly<Record<string, () => Promise<BackendModule>>> = {
  archive: () => import('../adapters/archive/index.js'),
  datadrive: () => import('../adapters/datadrive/index.js'),
  edds: () => import('../adapters/edds/index.js'),
  mpd: () => import('../adapters/mpd/index.js'),
};

const TARGETS: readonly (() => Promise<TargetModule>)[] = [
  () => import('./targets/file/index.js'),
  () => import('./targets/sftp/index.js'),
  () => import('./targets/s3/index.js'),
];

/** @throws MpdError Invalid naming `backends.<id>.kind` or `.module` */
export async function loadAdapter(entry: {
  readonly id: string;
  readonly kind: string;
  readonly module?: string | undefined;
}): Promise<BackendModule> {
  if (entry.kind === 'module') {
    if (entry.module === undefined) throw invalid(`backends.${entry.id}.module`, 'is needed for kind module');
    return loadModule<BackendModule>(entry.module, 'createBackend', `backends.${entry.id}.module`);
  }
  const load = ADAPTERS[entry.kind];
  if (!load)
    throw invalid(
      `backends.${entry.id}.kind`,
      `${entry.kind} is not known; known: ${[...Object.keys(ADAPTERS), 'module'].join(', ')}`,
    );
  return load();
}

/** The targets of the tree and those of `targets.modules`. */
export async function loadTargets(modules: readonly string[]): Promise<readonly TargetModule[]> {
  return [
    ...(await Promise.all(TARGETS.map((load) => load()))),
    ...(await Promise.all(
      modules.map((path, i) => loadModule<TargetModule>(path, 'createTarget', `targets.modules[${i}]`)),
    )),
  ];
}

async function loadModule<T>(path: string, name: string, field: string): Promise<T> {
  let loaded: Record<string, unknown>;
  try {
    const file = isAbsolute(path) || path.startsWith('.') ? pathToFileURL(resolve(path)).href : path;
    loaded = (await import(file)) as Record<string, unknown>;
  } catch (error) {
    throw invalid(field, `cannot load ${path}: ${(error as Error).message}`, error);
  }
  if (typeof loaded[name] !== 'function') throw invalid(field, `${path} does not export a function ${name}`);
  return loaded as T;
}
