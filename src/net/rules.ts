import { realpathSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressKind, type Cidr, inCidr, parseCidr, sameAddress } from './address.js';

/** Where the gateway may connect to, or write (`file`). */
export interface AllowRule {
  readonly scheme: string;
  /** A name, `*.example.int`, an address or a network (CIDR); none = any public host. */
  readonly host?: string | undefined;
  /** None = any. */
  readonly port?: number | undefined;
  /** Only paths below this one. For `file` a folder, needed. */
  readonly root?: string | undefined;
}

export interface Rule {
  readonly scheme: string;
  readonly port: number | undefined;
  readonly root: string | undefined;
  readonly host: { readonly name: string } | { readonly suffix: string } | { readonly cidr: Cidr } | undefined;
}

const PORTS: Readonly<Record<string, number>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  dav: 80,
  davs: 443,
  webdav: 80,
  webdavs: 443,
  s3: 443,
  ftp: 21,
  ftps: 990,
  sftp: 22,
  scp: 22,
  maltcp: 61616,
};

export function compileRule({ scheme, host, port, root }: AllowRule): Rule {
  return {
    scheme: scheme.toLowerCase().replace(/:$/, ''),
    port,
    root,
    host: host === undefined ? undefined : compileHost(host),
  };
}

function compileHost(text: string): Rule['host'] {
  const name = cleanHost(text);
  if (name === '*') return undefined;
  if (name.startsWith('*.')) return { suffix: name.slice(1) };
  const cidr = name.includes('/') ? parseCidr(name) : undefined;
  return cidr ? { cidr } : { name };
}

/** Lower case, without brackets and final dot. */
export function cleanHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

export function portOf(url: URL): number | undefined {
  return url.port === '' ? PORTS[schemeOf(url)] : Number(url.port);
}

export function schemeOf(url: URL): string {
  return url.protocol.slice(0, -1);
}

/** Whether the rule lets a name be looked up at all: a network can only be decided by the address. */
export function permitsName(rule: Rule, host: string, port: number | undefined): boolean {
  if (isIP(host)) return permitsAddress(rule, host, host, port);
  if (rule.port !== undefined && rule.port !== port) return false;
  if (rule.host === undefined || 'cidr' in rule.host) return true;
  return 'name' in rule.host ? host === rule.host.name : host.endsWith(rule.host.suffix);
}

/** Whether the rule lets `host` be reached at `address`. Private and loopback addresses need a rule that names the host or network. */
export function permitsAddress(rule: Rule, host: string, address: string, port: number | undefined): boolean {
  if (rule.port !== undefined && rule.port !== port) return false;
  const kind = addressKind(address);
  if (kind === 'link-local' || kind === 'reserved') return false;
  if (rule.host === undefined) return kind === 'public';
  if ('cidr' in rule.host) return inCidr(rule.host.cidr, address);
  if ('name' in rule.host) return host === rule.host.name || sameAddress(host, rule.host.name);
  return kind === 'public' && host.endsWith(rule.host.suffix);
}

/** Why the path of a URI is not acceptable at all; undefined when it is. */
export function badPath(url: URL): string | undefined {
  if (/^https?:$/.test(url.protocol)) return undefined;
  for (const segment of url.pathname.split('/')) {
    const text = decode(segment);
    if (text === undefined) return 'the path is not valid percent-encoded UTF-8';
    if (
      text.includes('/') ||
      text.includes('\\') ||
      text === '..' ||
      [...text].some((char) => char < ' ' || char === '\x7f')
    )
      return 'the path holds an encoded slash, a parent step or a control character';
  }
  return undefined;
}

/** Whether the path lies in the rule's root; for files after resolving the links that exist. */
export function withinRoot(rule: Rule, url: URL): boolean {
  if (url.protocol === 'file:')
    return rule.root !== undefined && isBelow(realPath(fileURLToPath(url)), realPath(rule.root));
  if (rule.root === undefined) return true;
  const path = url.pathname.split('/').map((segment) => decode(segment) ?? segment);
  if (path.some((segment) => segment === '..' || segment.includes('/'))) return false;
  const wanted = rule.root.split('/').filter(Boolean);
  const given = path.filter(Boolean);
  return wanted.every((segment, at) => given[at] === segment);
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Real path of what exists, followed by what does not yet. */
function realPath(path: string): string {
  const full = resolve(path);
  try {
    return realpathSync(full);
  } catch (error) {
    const parent = dirname(full);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === full) throw error;
    return join(realPath(parent), full.slice(parent.length));
  }
}
