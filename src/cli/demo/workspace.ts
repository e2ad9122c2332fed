import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type GatewayConfig, parseConfig } from '../../config/index.js';
import { usage } from '../exit-codes.js';
import { MISSION } from './edds.js';

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
  /** @param keepFiles leave products and deliveries, so that what was told of them can be looked at */
  remove(keepFiles: boolean): void;
}

export interface WorkspaceOptions {
  readonly cwd: string;
  /** The user's own folder of products. */
  readonly dir?: string;
  /** Keep everything here; absent = a temporary folder. */
  readonly data?: string;
  readonly port: number;
  /** Of maltcp. */
  readonly malPort: number;
  /** Where the stand-in for EDDS listens. */
  readonly wsdl: string;
}

/** Domain of the folder's products, and of what comes from EDDS. */
export const DOMAIN = 'demo';
export const EDDS_DOMAIN = ['esa', 'solo'] as const;

/** The folder for everything of a demo, made when it is not there. */
export function makeRoot({ cwd, dir, data }: Pick<WorkspaceOptions, 'cwd' | 'dir' | 'data'>): string {
  if (dir !== undefined) checkFolders(resolve(cwd, dir), data === undefined ? null : resolve(cwd, data));
  if (data !== undefined) return resolve(cwd, data);
  const root = mkdtempSync(join(tmpdir(), 'mpd-demo-'));
  // The database may run as a user of its own, who has to pass.
  chmodSync(root, 0o755);
  return root;
}

export function makeWorkspace(root: string, options: WorkspaceOptions): Workspace {
  const { cwd, dir, data, port, malPort, wsdl } = options;
  const temporary = data === undefined;
  const products = dir === undefined ? join(root, 'products') : resolve(cwd, dir);
  const delivered = join(root, 'delivered');
  for (const folder of [root, delivered, ...(dir === undefined ? [products] : [])])
    mkdirSync(folder, { recursive: true });
  const yaml = stringify({
    gateway: { name: 'mpd-demo' },
    store: { dir: join(root, 'database') },
    listen: { http: { port }, maltcp: { port: malPort } },
    access: {
      principals: [{ id: 'operator', role: 'operator' }],
      mal: [{ cidr: '127.0.0.1/32', principal: 'operator', user: 'asserted' }],
    },
    backends: [
      { id: 'archive', kind: 'archive', domain: [DOMAIN], path: products, settle: '500ms' },
      {
        id: 'edds',
        kind: 'edds',
        domain: [...EDDS_DOMAIN],
        wsdl,
        username: 'ops',
        password: 'ops',
        mission: MISSION,
        catalogue: '10s',
        poll: '500ms',
        partSeconds: 2,
        period: '10s',
        cache: { path: join(root, 'edds-cache') },
      },
    ],
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
    remove: (keepFiles) => {
      if (!temporary) return;
      const gone = keepFiles ? ['database', 'edds', 'edds-cache'].map((name) => join(root, name)) : [root];
      for (const folder of gone) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder must be there, and what the demo writes must not become products of it. */
function checkFolders(dir: string, data: string | null): void {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) throw usage(`--dir: ${dir} is no folder`);
  const below = data === null ? null : relative(dir, data);
  if (below !== null && !below.startsWith('..') && !isAbsolute(below))
    throw usage(`--data: ${data} lies in the folder of --dir; choose another`);
}

/** `wanted` when nobody listens there, else 0: any free one. */
export function freePort(wanted: number): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(0));
    server.listen({ host: '127.0.0.1', port: wanted, exclusive: true }, () => server.close(() => resolve(wanted)));
  });
}
