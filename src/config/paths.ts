import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from './schema.js';

/** Folder of the installed package: where its `mappings/` are. */
export const PACKAGE_ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));

function packageRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('the package.json of mpd-gateway is missing');
  return packageRoot(parent);
}

/** Every path made absolute: relative ones start at `folder`, mappings also at the package. A bare module name stays. */
export function resolvePaths(config: GatewayConfig, folder: string): GatewayConfig {
  const absolute = (path: string): string => resolve(folder, path);
  return {
    ...config,
    store: { ...config.store, dir: absolute(config.store.dir) },
    listen: {
      ...config.listen,
      ...(config.listen.providerUris !== undefined && { providerUris: absolute(config.listen.providerUris) }),
    },
    backends: config.backends.map((backend) => ({
      ...backend,
      ...(typeof backend.path === 'string' ? { path: absolute(backend.path) } : {}),
      ...(backend.mapping === undefined ? {} : { mapping: mappingPath(backend.mapping, folder) }),
      ...(backend.module === undefined ? {} : { module: modulePath(backend.module, folder) }),
    })),
    targets: {
      ...config.targets,
      allow: config.targets.allow.map((entry) =>
        entry.root === undefined || entry.scheme !== 'file' ? entry : { ...entry, root: absolute(entry.root) },
      ),
      modules: config.targets.modules.map((path) => modulePath(path, folder)),
    },
  };
}

function mappingPath(path: string, folder: string): string {
  const own = resolve(folder, path);
  const brought = join(PACKAGE_ROOT, path);
  return !existsSync(own) && existsSync(brought) ? brought : own;
}

const modulePath = (path: string, folder: string): string => (/^\.{0,2}\//.test(path) ? resolve(folder, path) : path);
