import { chownSync, mkdirSync, statSync } from 'node:fs';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { targetConformance } from '../../../test/conformance/index.js';
import { describeWithService, type Service, unique } from '../../../test/services/index.js';
import { isTemporaryName } from '../../gateway/delivery/file-name.js';
import type { PutOptions, SourceBody, TargetConfig } from '../../gateway/target.js';
import { createGuard, type Guard } from '../../net/guard.js';
import { parseHostKey } from './account.js';
import { ConnectionLost } from './errors.js';
import { createTarget, sftpTarget } from './index.js';
import { putFile } from './put.js';
import { openSession, type Session } from './session.js';

const never = new AbortController().signal;
const guard: Guard = createGuard({ allow: [{ scheme: 'sftp', host: '127.0.0.1' }] });
afterAll(() => guard.close());

const put = (change: Partial<PutOptions> = {}): PutOptions => ({
  ...{ verify: 'readback', overwrite: true, deliveryId: 'd1', epoch: 1, signal: never },
  ...change,
});
const text = (content: string): SourceBody => ({ size: content.length, stream: pieces([content]) });
async function* pieces(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

function configFor(sftp: Service, change: Readonly<Record<string, unknown>> = {}): TargetConfig {
  const { username, password, hostKey } = sftp;
  const named = { test: { uri: `${sftp.url}${sftp.folder}`, username, password, hostKey, ...change } };
  return { allow: [], named, inlineCredentials: false };
}

/** A folder of its own on the server, seen on this machine's disk and owned by the login. */
function placeOn(sftp: Service, prefix: string) {
  const base = sftp.localFolder ?? '';
  const { uid, gid } = statSync(base);
  const name = unique(prefix);
  const folder = join(base, name);
  const make = (path: string): void => {
    mkdirSync(path, { recursive: true });
    for (let at = path; at.length > base.length; at = dirname(at)) chownSync(at, uid, gid);
  };
  make(folder);
  return { folder, make, uri: new URL(`${sftp.url}${sftp.folder}/${encodeURIComponent(name)}`) };
}

const listFiles = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((item) => !item.isDirectory())
    .map((item) => join(item.parentPath, item.name).slice(folder.length + 1));

for (const server of ['openssh', 'proftpd'] as const)
  await describeWithService(server, 'sftp target', (sftp) => {
    const seenFromOutside = describe.skipIf(!sftp.localFolder);

    seenFromOutside('(skipped for a server whose disk is elsewhere)', () => {
      targetConformance(`sftp on ${server}`, {
        create: () => createTarget(configFor(sftp), { log: undefined as never, guard }),
        async place() {
          const { folder, make, uri } = placeOn(sftp, 'place #%');
          return {
            uri,
            list: () => listFiles(folder),
            read: async (name) => new Uint8Array(await readFile(join(folder, name))),
            async write(name, content) {
              make(dirname(join(folder, name)));
              await writeFile(join(folder, name), content);
            },
            makeFolder: async (name) => make(join(folder, name)),
            async corrupt() {
              await expect.poll(async () => (await temporaryIn(folder)).size > 1000).toBe(true);
              const handle = await open((await temporaryIn(folder)).path, 'r+');
              const byte = Buffer.alloc(1);
              await handle.read(byte, 0, 1, 1000);
              byte[0]! ^= 1;
              await handle.write(byte, 0, 1, 1000);
              await handle.close();
            },
            remove: () => rm(folder, { recursive: true, force: true }),
          };
        },
        refused: [
          [() => 'sftp://elsewhere.example/upload', /not on the list/],
          [() => `${sftp.url}/not-named`, /no credentials/],
          [() => `${sftp.url.replace('//', '//other:word@')}${sftp.folder}/x`, /password in deliverTo/],
          [() => `${sftp.url}${sftp.folder}/x?y`, /query/],
          [() => `${sftp.url}${sftp.folder}/a%2F..%2F..`, /encoded slash/],
        ],
        notYet: () => [`${sftp.url}${sftp.folder}/later`, /later: no such directory/],
      });
    });

    async function temporaryIn(folder: string) {
      const name = (await readdir(folder)).find((file) => isTemporaryName(file));
      const path = join(folder, name ?? 'none yet');
      return { path, size: name === undefined ? 0 : statSync(path).size };
    }

    seenFromOutside('logins', () => {
      const probed = async (change: Readonly<Record<string, unknown>>) => {
        const target = sftpTarget(configFor(sftp, change), guard);
        try {
          return await target.probe(new URL(`${sftp.url}${sftp.folder}`), never);
        } finally {
          await target.close();
        }
      };

      it('logs in with a key, and with the key that OpenSSH prints for the host', async () => {
        expect(await probed({ password: undefined, key: sftp.privateKey })).toEqual({ status: 'ok' });
        const base64 = parseHostKey(sftp.hostKey)?.toString('base64').replace(/=+$/, '');
        expect(await probed({ hostKey: `SHA256:${base64}` })).toEqual({ status: 'ok' });
      });

      it('takes /~/ for the home of the login', async () => {
        const home = `${sftp.url}/~${sftp.folder}`;
        const target = sftpTarget(configFor(sftp, { uri: home }), guard);
        const name = unique('home');
        const { location } = await target.put(new URL(home), name, text('at home'), put());
        expect(location).toBe(`${home}/${name}`);
        const file = join(sftp.localFolder ?? '', name);
        expect(await readFile(file, 'utf8')).toBe('at home');
        await rm(file);
        await target.close();
      });

      it('refuses a host with another key, without a pinned key, and a wrong password', async () => {
        const other = `sha256:${'0'.repeat(64)}`;
        expect(await probed({ hostKey: other })).toMatchObject({
          status: 'refused',
          reason: expect.stringMatching(/host key/),
        });
        expect(await probed({ hostKey: undefined })).toMatchObject({
          status: 'refused',
          reason: expect.stringMatching(/no host key is pinned/),
        });
        expect(await probed({ password: 'wrong' })).toMatchObject({
          status: 'refused',
          reason: expect.stringMatching(/refused the login/),
        });
      });

      it('takes a password of deliverTo only where that is allowed, and never says it', async () => {
        const uri = new URL(`${sftp.url}${sftp.folder}`);
        uri.username = sftp.username ?? '';
        uri.password = sftp.password ?? '';
        const allow = [{ scheme: 'sftp', host: '127.0.0.1', port: Number(uri.port), hostKey: sftp.hostKey }];
        const target = sftpTarget({ allow, named: {}, inlineCredentials: true }, guard);
        expect(await target.probe(uri, never)).toEqual({ status: 'ok' });
        uri.pathname = '/nowhere';
        const failed = target.put(uri, 'f', text('x'), put());
        await expect(failed).rejects.toMatchObject({
          class: 'retry',
          message: expect.stringMatching(/nowhere: no such directory/),
        });
        await expect(failed).rejects.not.toMatchObject({ message: expect.stringMatching(/bench-pw/) });
        await target.close();
      });

      it('says in its health which named target does not let it in', async () => {
        const target = sftpTarget(configFor(sftp, { password: 'wrong' }), guard);
        expect(await target.check()).toMatchObject({ ok: false, reason: expect.stringMatching(/refused the login/) });
        await target.close();
      });
    });

    seenFromOutside('a connection that fails', () => {
      let place: ReturnType<typeof placeOn>;
      beforeAll(() => {
        place = placeOn(sftp, 'lost');
      });
      afterAll(() => rm(place.folder, { recursive: true, force: true }));

      it('cut in mid-transfer is target-down, nothing is visible, and the next try works on a new connection', async () => {
        const proxy = await cuttingProxy(Number(new URL(sftp.url).port), 300_000);
        const through = (uri: string): string => uri.replace(/:\d+/, `:${proxy.port}`);
        const named = { uri: through(`${sftp.url}${sftp.folder}`) };
        const target = sftpTarget(configFor(sftp, named), guard);
        const uri = new URL(through(place.uri.href));
        const big = { size: 2_000_000, stream: pieces(Array.from({ length: 200 }, () => 'x'.repeat(10_000))) };
        await expect(target.put(uri, 'big', big, put())).rejects.toMatchObject({ class: 'target-down' });
        expect((await listFiles(place.folder)).filter((name) => !isTemporaryName(name))).toEqual([]);
        proxy.stopCutting();
        await target.put(uri, 'big', text('second'), put({ epoch: 2 }));
        await target.clean(uri, 'big', 'd1', never);
        expect(await listFiles(place.folder)).toEqual(['big']);
        await target.close();
        proxy.close();
      });

      it('that falls silent is given up, target-down', async () => {
        const proxy = await cuttingProxy(Number(new URL(sftp.url).port), Number.POSITIVE_INFINITY);
        const named = { uri: `${sftp.url}${sftp.folder}`.replace(/:\d+/, `:${proxy.port}`) };
        const target = sftpTarget(configFor(sftp, named), guard, { silenceMs: 300 });
        const uri = new URL(place.uri.href.replace(/:\d+/, `:${proxy.port}`));
        expect(await target.probe(uri, never)).toEqual({ status: 'ok' });
        proxy.freeze();
        await expect(target.put(uri, 'quiet', text('x'), put())).rejects.toMatchObject({
          ...{ class: 'target-down', message: expect.stringMatching(/no answer for 300 ms/) },
        });
        await target.close();
        proxy.close();
      });

      it('that falls silent is left within seconds when the delivery is aborted', async () => {
        const proxy = await cuttingProxy(Number(new URL(sftp.url).port), Number.POSITIVE_INFINITY);
        const named = { uri: `${sftp.url}${sftp.folder}`.replace(/:\d+/, `:${proxy.port}`) };
        const target = sftpTarget(configFor(sftp, named), guard);
        const uri = new URL(place.uri.href.replace(/:\d+/, `:${proxy.port}`));
        const abort = new AbortController();
        async function* endless(): AsyncGenerator<Uint8Array> {
          for (let n = 0; ; n++) {
            if (n === 50) proxy.freeze();
            yield new Uint8Array(64 * 1024);
          }
        }
        const sent = target.put(uri, 'endless', { size: null, stream: endless() }, put({ signal: abort.signal }));
        const ended = expect(sent).rejects.toThrow('given up');
        setTimeout(() => abort.abort(new Error('given up')), 300);
        await ended;
        await target.close();
        proxy.close();
      });

      it('that may not be joined by others carries all deliveries', async () => {
        const proxy = await cuttingProxy(Number(new URL(sftp.url).port), Number.POSITIVE_INFINITY, 1);
        const named = { uri: `${sftp.url}${sftp.folder}`.replace(/:\d+/, `:${proxy.port}`) };
        const target = sftpTarget(configFor(sftp, named), guard);
        const uri = new URL(place.uri.href.replace(/:\d+/, `:${proxy.port}`));
        expect(await target.probe(uri, never)).toEqual({ status: 'ok' });
        const names = Array.from({ length: 6 }, (_, n) => `together ${n}`);
        await Promise.all(names.map((name) => target.put(uri, name, text(name), put({ deliveryId: name.slice(-1) }))));
        for (const name of names) expect(await readFile(join(place.folder, name), 'utf8')).toBe(name);
        expect(proxy.refused()).toBeGreaterThan(0);
        await target.close();
        proxy.close();
      });

      it('is one of several when there is work for them, as many as are allowed and no more', async () => {
        const proxy = await cuttingProxy(Number(new URL(sftp.url).port), Number.POSITIVE_INFINITY);
        const named = { uri: `${sftp.url}${sftp.folder}`.replace(/:\d+/, `:${proxy.port}`) };
        const target = sftpTarget(configFor(sftp, named), guard, { connections: 2 });
        const uri = new URL(place.uri.href.replace(/:\d+/, `:${proxy.port}`));
        const names = Array.from({ length: 6 }, (_, n) => `apart ${n}`);
        await Promise.all(names.map((name) => target.put(uri, name, text(name), put({ deliveryId: name.slice(-1) }))));
        expect(proxy.accepted()).toBe(2);
        await target.close();
        proxy.close();
      });

      it('lost with the answer to the rename is settled by looking: done is done', async () => {
        const folder = `${sftp.folder}/${place.folder.split('/').at(-1)}`;
        const session = await openSession(accountFor(sftp), { guard, signal: never });
        const losing: Session = {
          ...session,
          replace: (from, to) => lostAfter(session.replace(from, to)),
          rename: (from, to) => lostAfter(session.rename(from, to)),
        };
        const again = <T>(work: (fresh: Session) => Promise<T>): Promise<T> => work(session);
        const sent = await putFile(losing, folder, 'settled', text('content'), put(), again);
        expect(sent).toMatchObject({ bytes: 7, targetCheck: 'verified' });
        expect(await readFile(join(place.folder, 'settled'), 'utf8')).toBe('content');
        const before: Session = {
          ...session,
          replace: () => Promise.reject(new ConnectionLost('before it was done')),
          rename: () => Promise.reject(new ConnectionLost('before it was done')),
        };
        await expect(putFile(before, folder, 'settled', text('newer'), put(), again)).rejects.toThrow('before it was');
        expect(await readFile(join(place.folder, 'settled'), 'utf8')).toBe('content');
        session.end();
      });

      it('that opens no file for both writing and reading has it read back by a second opening', async () => {
        const folder = `${sftp.folder}/${place.folder.split('/').at(-1)}`;
        const again = <T>(work: (fresh: Session) => Promise<T>): Promise<T> => work(session);
        const session = await openSession(accountFor(sftp), { guard, signal: never });
        const opened: string[] = [];
        const handles = new Map<Buffer, string>();
        const watched = (allows: (flags: string) => boolean): Session => ({
          ...session,
          async open(path, flags) {
            opened.push(flags);
            if (!allows(flags)) return refuse();
            const handle = await session.open(path, flags);
            handles.set(handle, flags);
            return handle;
          },
          read: (handle, into, position) =>
            handles.get(handle) === 'r' ? session.read(handle, into, position) : refuse(),
        });
        const noOpening = watched((flags) => flags !== 'wx+');
        for (const name of ['first', 'second'])
          expect(await putFile(noOpening, folder, name, text(name), put(), again)).toMatchObject({
            targetCheck: 'verified',
          });
        // Asked twice whether it can, then never again.
        expect(opened).toEqual(['wx+', 'wx+', 'wx', 'r', 'wx', 'r']);
        const noReading = watched(() => true);
        for (const name of ['third', 'fourth'])
          expect(await putFile(noReading, folder, name, text(name), put(), again)).toMatchObject({
            targetCheck: 'verified',
          });
        expect(opened.slice(6)).toEqual(['wx+', 'r', 'wx', 'r']);
        for (const name of ['first', 'second', 'third', 'fourth'])
          expect(await readFile(join(place.folder, name), 'utf8')).toBe(name);
        session.end();
      });

      it('that stored other bytes, fewer or more is found out by reading back, and nothing becomes visible', async () => {
        const folder = `${sftp.folder}/${place.folder.split('/').at(-1)}`;
        const session = await openSession(accountFor(sftp), { guard, signal: never });
        const again = <T>(work: (fresh: Session) => Promise<T>): Promise<T> => work(session);
        const body = (): SourceBody => text('x'.repeat(100_000));
        for (const [spoil, reason] of [
          [(data: Buffer) => data.fill('y', 50, 51), 'differs from what was sent'],
          [(data: Buffer) => data.subarray(1), '100000 bytes were written and 99999 landed'],
          [(data: Buffer) => Buffer.concat([data, data.subarray(0, 5)]), '100000 bytes were written and 100005 landed'],
        ] as const) {
          const spoiling: Session = {
            ...session,
            packet: 200_000,
            write: (handle, data, position) => session.write(handle, spoil(Buffer.from(data)), position),
          };
          await expect(putFile(spoiling, folder, 'spoilt', body(), put(), again)).rejects.toMatchObject({
            ...{ class: 'retry', message: expect.stringContaining(reason) },
          });
          expect((await listFiles(place.folder)).filter((name) => /spoilt|part$/.test(name))).toEqual([]);
        }
        session.end();
      });

      it('without posix-rename replaces in steps, and puts the old file back when that fails', async () => {
        const folder = `${sftp.folder}/${place.folder.split('/').at(-1)}`;
        const session = await openSession(accountFor(sftp), { guard, signal: never });
        const plain: Session = { ...session, posixRename: false };
        const again = <T>(work: (fresh: Session) => Promise<T>): Promise<T> => work(session);
        await putFile(plain, folder, 'steps', text('old'), put(), again);
        await putFile(plain, folder, 'steps', text('new'), put(), again);
        expect(await readFile(join(place.folder, 'steps'), 'utf8')).toBe('new');
        const failing: Session = {
          ...plain,
          rename: (from, to) =>
            to.endsWith('/steps') && from.endsWith('-9.part') ? refuse() : session.rename(from, to),
        };
        await expect(putFile(failing, folder, 'steps', text('newest'), put({ epoch: 9 }), again)).rejects.toThrow();
        expect(await readFile(join(place.folder, 'steps'), 'utf8')).toBe('new');
        expect((await listFiles(place.folder)).filter((name) => isTemporaryName(name))).toEqual([]);
        session.end();
      });
    });
  });

const refuse = (): Promise<never> => Promise.reject(Object.assign(new Error('Failure'), { code: 4 }));

async function lostAfter(work: Promise<void>): Promise<never> {
  await work;
  throw new ConnectionLost('the answer never came');
}

function accountFor(sftp: Service) {
  const { hostname: host, port } = new URL(sftp.url);
  const nothing = { privateKey: undefined, passphrase: undefined };
  const hostKey = parseHostKey(sftp.hostKey) ?? Buffer.alloc(32);
  return { host, port: Number(port), username: sftp.username ?? '', password: sftp.password, hostKey, ...nothing };
}

/** A proxy on a free port that cuts each connection after so many bytes to the server, or passes nothing on while frozen; it lets `most` in. */
async function cuttingProxy(port: number, bytes: number, most = Number.POSITIVE_INFINITY) {
  const sockets = new Set<Socket>();
  let limit = bytes;
  let frozen = false;
  let accepted = 0;
  let refused = 0;
  const server = createServer((client) => {
    if (accepted >= most) {
      refused++;
      client.destroy();
      return;
    }
    accepted++;
    const upstream = netConnect(port, '127.0.0.1');
    let seen = 0;
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => socket.destroy()));
    client.on('data', (data) => {
      seen += data.length;
      if (seen > limit) for (const socket of [client, upstream]) socket.destroy();
      else if (!frozen) upstream.write(data);
    });
    upstream.on('data', (data) => frozen || client.write(data));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    accepted: () => accepted,
    refused: () => refused,
    stopCutting: () => {
      limit = Number.POSITIVE_INFINITY;
    },
    freeze: () => {
      frozen = true;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
