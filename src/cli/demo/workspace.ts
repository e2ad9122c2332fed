import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type GatewayConfig, parseConfig } from '../../config/index.js';

/** Folders of a demo and the gateway.yaml over them. */
export interface Workspace {
  readonly root: string;
  readonly products: string;
  readonly delivered: string;
  readonly config: GatewayConfig;
  /** The same as a file that `serve` would take. */
  readonly yaml: string;
  /** true: made for this demo and removed at its end. */
  readonly temporary: boolean;
  remove(): void;
}

export interface WorkspaceOptions {
  readonly cwd: string;
  /** The user's own folder of products. */
  readonly dir?: string;
  /** Keep everything here; absent = a temporary folder. */
  readonly data?: string;
  readonly port: number;
}

export const DOMAIN = 'demo';

export function makeWorkspace({ cwd, dir, data, port }: WorkspaceOptions): Workspace {
  const temporary = data === undefined;
  const root = temporary ? mkdtempSync(join(tmpdir(), 'mpd-demo-')) : resolve(cwd, data);
  // The database may run as a user of its own, who has to pass.
  if (temporary) chmodSync(root, 0o755);
  const products = dir === undefined ? join(root, 'products') : resolve(cwd, dir);
  const delivered = join(root, 'delivered');
  for (const folder of [root, delivered, ...(dir === undefined ? [products] : [])])
    mkdirSync(folder, { recursive: true });
  const yaml = stringify({
    gateway: { name: 'mpd-demo' },
    store: { dir: join(root, 'database') },
    listen: { http: { port } },
    access: { principals: [{ id: 'operator', role: 'operator' }] },
    backends: [{ id: 'archive', kind: 'archive', domain: [DOMAIN], path: products, settle: '500ms' }],
    targets: { allow: [{ scheme: 'file', root: delivered }] },
  });
  const { config } = parseConfig(yaml, { file: null, folder: root });
  return {
    root,
    products,
    delivered,
    config,
    yaml,
    temporary,
    remove: () => {
      if (temporary) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** `wanted` when nobody listens there, else 0: any free one. */
export function freePort(wanted: number): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(0));
    server.listen({ host: '127.0.0.1', port: wanted, exclusive: true }, () => server.close(() => resolve(wanted)));
  });
}
