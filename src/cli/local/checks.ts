import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import type { GatewayConfig } from '../../config/index.js';
import { humanSize } from '../output/human.js';
import type { LocalStore } from './store.js';

/** One thing looked at. `todo` says what to do about it. */
export interface Finding {
  readonly part: string;
  readonly state: 'ok' | 'warning' | 'bad';
  readonly found: string;
  readonly todo: string | null;
}

const good = (part: string, found: string): Finding => ({ part, state: 'ok', found, todo: null });
const warning = (part: string, found: string, todo: string): Finding => ({ part, state: 'warning', found, todo });
const bad = (part: string, found: string, todo: string): Finding => ({ part, state: 'bad', found, todo });

const LOW_DISK = 2 ** 30;
const NO_DISK = 64 * 2 ** 20;
const SKEW_WARNING_MS = 2_000;
const SKEW_BAD_MS = 60_000;
const CERTIFICATE_WARNING_MS = 21 * 86_400_000;

export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 20 || (major === 20 && minor >= 19)
    ? good('node', `Node ${version}`)
    : bad('node', `Node ${version}`, 'install Node 20.19 or newer');
}

/** Room for the embedded database and below every file root. */
export function checkDisk(path: string, part: string): Finding {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  const { bavail, bsize, ffree, files } = statfsSync(at);
  const free = bavail * bsize;
  const room = `${humanSize(free)} free at ${path}`;
  if (free < NO_DISK) return bad(part, room, 'make room: deliveries and the database stop when the disk is full');
  if (files > 0 && ffree === 0) return bad(part, `no inodes left at ${path}`, 'remove files you do not need');
  return free < LOW_DISK ? warning(part, room, 'make room before it runs out') : good(part, room);
}

/** A folder that is written to; `make` = the gateway makes it itself when absent. */
export function checkFolder(path: string, part: string): Finding {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return bad(part, `${path} is not there`, `make it: mkdir -p '${path}'`);
  if (!stat.isDirectory()) return bad(part, `${path} is no folder`, 'point targets.allow at a folder');
  try {
    const probe = mkdtempSync(join(path, '.mpd-doctor-'));
    try {
      writeFileSync(join(probe, 'probe'), 'probe');
      const skew = statSync(join(probe, 'probe')).mtimeMs - Date.now();
      return Math.abs(skew) > SKEW_WARNING_MS
        ? warning(
            part,
            `the file system at ${path} is ${(skew / 1000).toFixed(1)} s off this machine's clock`,
            'let both follow the same time server',
          )
        : good(part, `${path} can be written`);
    } finally {
      rmSync(probe, { recursive: true });
    }
  } catch (error) {
    return bad(
      part,
      `${path} cannot be written (${(error as NodeJS.ErrnoException).code})`,
      'give the user of the gateway the right to write there',
    );
  }
}

export async function checkDatabase({ store, reach }: LocalStore): Promise<readonly Finding[]> {
  const before = Date.now();
  const { rows } = await sql<{ now: Date; version: string; fsync: string; synchronous: string; size: string }>`
    select clock_timestamp() as now, current_setting('server_version') as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as synchronous, pg_size_pretty(pg_database_size(current_database())) as size`.execute(
    store.db,
  );
  const row = rows[0]!;
  const skew = row.now.getTime() - (before + Date.now()) / 2;
  const major = Number.parseInt(row.version, 10);
  return [
    major >= 15
      ? good('database', `PostgreSQL ${row.version} (${reach}), ${row.size}`)
      : bad('database', `PostgreSQL ${row.version}`, 'use PostgreSQL 15 or newer'),
    row.fsync === 'on' && row.synchronous !== 'off'
      ? good('durability', 'fsync on, commits wait for the disk')
      : bad(
          'durability',
          `fsync ${row.fsync}, synchronous_commit ${row.synchronous}`,
          'switch both on: without them an acknowledged order can be lost',
        ),
    checkClock(skew),
  ];
}

/** @param skewMs the database's clock minus this machine's */
export function checkClock(skewMs: number): Finding {
  const text = `the database's clock is ${Math.abs(skewMs) < 1000 ? `${Math.round(Math.abs(skewMs))} ms` : `${(Math.abs(skewMs) / 1000).toFixed(1)} s`} ${skewMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  const todo = 'let both follow the same time server';
  if (Math.abs(skewMs) > SKEW_BAD_MS) return bad('clock', text, todo);
  return Math.abs(skewMs) > SKEW_WARNING_MS ? warning('clock', text, todo) : good('clock', text);
}

export async function checkListener(
  name: string,
  { host, port }: { readonly host: string; readonly port: number },
  gatewayAnswers: boolean,
): Promise<Finding> {
  const part = `listen.${name}`;
  const address = `${host}:${port}`;
  const code = await bindable(host, port);
  if (code === null) return good(part, `${address} is free`);
  if (code === 'EADDRINUSE')
    return gatewayAnswers
      ? good(part, `a gateway answers at ${address}`)
      : bad(part, `${address} is taken by another program`, `stop it, or set listen.${name}.port`);
  return bad(
    part,
    `${address} cannot be bound (${code})`,
    code === 'EACCES' ? 'use a port above 1023' : `set listen.${name}.host to an address of this machine`,
  );
}

function bindable(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

export function checkCertificate(name: string, pem: string, now = Date.now()): Finding {
  const part = `listen.${name}.tls`;
  try {
    const certificate = new X509Certificate(pem);
    const until = Date.parse(certificate.validTo);
    const text = `${certificate.subject.replaceAll('\n', ' ')} is good until ${certificate.validTo}`;
    if (until < now) return bad(part, `the certificate ended ${certificate.validTo}`, 'renew it');
    return until - now < CERTIFICATE_WARNING_MS ? warning(part, text, 'renew it soon') : good(part, text);
  } catch (error) {
    return bad(
      part,
      `the certificate cannot be read (${(error as Error).message})`,
      'give a PEM certificate: cert: file:…',
    );
  }
}

export function* checkFiles({ store, targets }: GatewayConfig): Generator<Finding> {
  if (store.url === undefined) yield checkDisk(store.dir, 'disk');
  for (const { scheme, root } of targets.allow) {
    if (scheme !== 'file' || root === undefined) continue;
    yield checkFolder(root, 'target file');
    yield checkDisk(root, 'disk');
  }
}

export { bad, good, warning };
