import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Backend, Entry } from '../../src/gateway/backend.js';
import { bundledMapping, loadMapping, productMapper } from '../../src/mapping/index.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { indexWriter, TakenOver } from './commit.js';
import { archiveConfig } from './config.js';
import { compileReaders, readersSchema } from './readers.js';
import { archiveRoot } from './root.js';
import { createScanner } from './scanner.js';
import type { ArchiveTables } from './tables.js';
import { archiveStore, follower, keyOf, listAll, openArchive, put, temporaryFolder } from './testing.js';

let store: TestStore<ArchiveTables>;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let root: string;
const opened: Backend[] = [];

beforeAll(async () => {
  store = await archiveStore();
});
afterAll(() => store.close());
beforeEach(async () => {
  folder = await temporaryFolder();
  root = folder.path;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((backend) => backend.close()));
  for (const table of ['archive_state', 'archive_file', 'archive_fact'] as const)
    await store.db.deleteFrom(table).execute();
  await folder.remove();
});

async function archive(config: Record<string, unknown> = {}): Promise<Backend> {
  const backend = await openArchive(store, root, config);
  opened.push(backend);
  return backend;
}

const keys = async (backend: Backend): Promise<string[]> =>
  (await listAll(backend)).map(({ metadata }) => metadata.productRef.key).sort();

async function entry(backend: Backend, key: string): Promise<Entry> {
  const found = (await listAll(backend)).find(({ metadata }) => metadata.productRef.key === key);
  if (found === undefined) throw new Error(`${key} is not listed`);
  return found;
}

const read = async (backend: Backend, { metadata, revision }: Entry): Promise<Buffer> => {
  const body = await backend.open(metadata.productRef, { revision, offset: 0, signal: new AbortController().signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

describe('what counts as a product', () => {
  it('takes every file, but none with a temporary name or in a hidden folder', async () => {
    for (const path of ['a.dat', 'b/c.dat', 'x.tmp', 'y.part', 'z~', '.hidden', '.git/config', 'b/.d.swp'])
      await put(root, path, path);
    const backend = await archive();
    await follower(backend);
    expect(await keys(backend)).toEqual(['a.dat', 'b/c.dat']);
  });

  it('takes a file only when it has not changed for the settle time', async () => {
    const backend = await archive({ settle: 400 });
    const changes = await follower(backend);
    await put(root, 'slow.dat', 'a');
    let last = performance.now();
    for (let part = 0; part < 8; part++) {
      await sleep(150);
      expect(await keys(backend)).toEqual([]);
      await appendFile(join(root, 'slow.dat'), 'b');
      last = performance.now();
    }
    const [change] = await changes.next(1);
    expect(performance.now() - last).toBeGreaterThan(380);
    expect(change?.kind).toBe('new');
    expect((await read(backend, await entry(backend, 'slow.dat'))).toString()).toBe('abbbbbbbb');
  });

  it('refuses links out of the root, takes links to files inside, and follows no link to a folder', async () => {
    const outside = await temporaryFolder();
    await put(outside.path, 'secret.txt', 'secret');
    await put(root, 'real/a.dat', 'a');
    await symlink(join(outside.path, 'secret.txt'), join(root, 'stolen.txt'));
    await symlink(outside.path, join(root, 'elsewhere'));
    await symlink('real/a.dat', join(root, 'latest.dat'));
    await symlink('real', join(root, 'again'));
    await symlink('nowhere', join(root, 'broken'));
    const backend = await archive();
    await follower(backend);
    expect(await keys(backend)).toEqual(['latest.dat', 'real/a.dat']);
    await outside.remove();
  });

  it('does not hand out a file whose place was taken by a link out of the root', async () => {
    const outside = await temporaryFolder();
    await put(outside.path, 'a.dat', 'secret', 1_600_000_000);
    await put(root, 'd/a.dat', 'public', 1_600_000_000);
    const backend = await archive({ watch: false, sweep: '1h' });
    await follower(backend);
    const known = await entry(backend, 'd/a.dat');
    await rename(join(root, 'd'), join(root, '.away'));
    await symlink(outside.path, join(root, 'd'));
    const { signal } = new AbortController();
    const opening = backend.open(known.metadata.productRef, { revision: known.revision, offset: 0, signal });
    await expect(opening).rejects.toSatisfy((error) => isMpdError(error, 'Unknown'));
    await outside.remove();
  });

  it('passes over pipes and sockets without waiting for them', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const server = createServer().listen(join(root, 'socket'));
    await put(root, 'a.dat', 'a');
    const backend = await archive();
    await follower(backend);
    expect(await keys(backend)).toEqual(['a.dat']);
    connect(join(root, 'socket')).destroy();
    server.close();
  });
});

describe('odd files', () => {
  it('do not keep out the others: times beyond all times, a path too long for the index, a name that is no UTF-8', async () => {
    const deep = Array.from({ length: 14 }, () => randomBytes(110).toString('hex')).join('/');
    await put(root, `${deep}/a.dat`, 'deep');
    await put(root, 'far.dat', 'future');
    execFileSync('touch', ['-d', '2400-01-01', join(root, 'far.dat')]);
    await put(root, 'old.dat', 'past', -10_000_000);
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff])]), 'latin');
    await put(root, 'good.dat', 'good');
    const backend = await archive({ sweep: 200 });
    await follower(backend);
    expect(await keys(backend)).toEqual(['far.dat', 'good.dat', 'old.dat']);
    expect((await read(backend, await entry(backend, 'far.dat'))).toString()).toBe('future');
    const content = { start: 2n ** 63n - 1n, end: 2n ** 63n - 1n };
    expect((await listAll(backend, { content })).map(({ path }) => path)).toEqual(['far.dat']);
    await vi.waitFor(async () =>
      expect(await backend.check()).toEqual({ ok: false, reason: expect.stringContaining(deep.slice(0, 20)) }),
    );
  });
});

describe('changes', () => {
  it('does not call a re-copied identical file a change, nor its version another one', async () => {
    await put(root, 'a.dat', 'same', 1_600_000_000);
    const backend = await archive();
    const changes = await follower(backend);
    const before = await entry(backend, 'a.dat');
    await put(root, 'a.dat', 'same', 1_700_000_000);
    await put(root, 'b.dat', 'other');
    expect((await changes.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['new b.dat']);
    await vi.waitFor(async () => expect(await read(backend, before)).toEqual(Buffer.from('same')));
    expect(await entry(backend, 'a.dat')).toEqual(before);
  });

  it('reads an unchanged file once, also over a restart', async () => {
    await put(root, 'a.dat', 'a', 1_600_000_000);
    const first = await archive();
    await follower(first);
    await first.close();
    // Content that stands under the same size, time and inode is not looked at again.
    const handle = await open(join(root, 'a.dat'), 'r+');
    await handle.write('b', 0);
    await handle.close();
    await utimes(join(root, 'a.dat'), 1_600_000_000, 1_600_000_000);
    const second = await archive({ watch: false });
    const changes = await follower(second);
    await put(root, 'z.dat', 'z');
    await second.close();
    const third = await archive();
    const later = await follower(third, changes.cursor);
    expect((await later.next(1)).map(keyOf)).toEqual(['z.dat']);
    const sum = createHash('sha256').update('a').digest('hex');
    expect((await entry(third, 'a.dat')).revision).toBe(sum);
  });

  it('tells a rename as removed and new, and follows a renamed folder', async () => {
    await put(root, 'one/a.dat', 'a');
    await put(root, 'keep.dat', 'k');
    const backend = await archive();
    const changes = await follower(backend);
    await rename(join(root, 'one'), join(root, 'two'));
    const told = (await changes.next(2)).map((change) => `${change.kind} ${keyOf(change)}`);
    expect(told.sort()).toEqual(['new two/a.dat', 'removed one/a.dat']);
    await put(root, 'two/b.dat', 'b');
    expect((await changes.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['new two/b.dat']);
  });

  it('tells a file that is deleted and written again at once as an update', async () => {
    await put(root, 'a.dat', 'one');
    await put(root, 'b.dat', 'b');
    const backend = await archive({ settle: 300 });
    const changes = await follower(backend);
    await rm(join(root, 'a.dat'));
    await sleep(150);
    await put(root, 'a.dat', 'two');
    expect((await changes.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['updated a.dat']);
  });

  it('tells an older file that is copied over a newer one as an update, never back in time', async () => {
    await put(root, 'a.dat', 'newer', 1_700_000_000);
    const backend = await archive();
    const changes = await follower(backend);
    const before = await entry(backend, 'a.dat');
    await put(root, '.a', 'older', 1_500_000_000);
    await rename(join(root, '.a'), join(root, 'a.dat'));
    const [change] = await changes.next(1);
    expect(change?.kind).toBe('updated');
    const after = await entry(backend, 'a.dat');
    expect(after.updatedAt > before.updatedAt).toBe(true);
    expect(after.metadata.productRef.version).toBeGreaterThan(before.metadata.productRef.version);
  });

  it('finds by the sweep alone what happens where there are no events', async () => {
    await put(root, 'a.dat', 'a');
    await put(root, 'b.dat', 'b');
    const backend = await archive({ watch: false, sweep: 200 });
    const changes = await follower(backend);
    await put(root, 'c/d.dat', 'd');
    await rm(join(root, 'a.dat'));
    await put(root, 'b.dat', 'bb');
    const told = (await changes.next(3)).map((change) => `${change.kind} ${keyOf(change)}`);
    expect(told.sort()).toEqual(['new c/d.dat', 'removed a.dat', 'updated b.dat']);
  });

  it('makes a file visible to followers once it settled, without waiting for the sweep', async () => {
    const backend = await archive({ settle: 200, sweep: '1h' });
    const changes = await follower(backend);
    for (let n = 0; n < 5; n++) {
      await put(root, `f${n}/a.dat`, 'a');
      expect((await changes.next(1)).map(keyOf)).toEqual([`f${n}/a.dat`]);
    }
  });

  it('reports many changes in bounded batches, each once and in order', async () => {
    const backend = await archive();
    const { signal } = new AbortController();
    const { cursor } = await backend.follow({ cursor: null, interest: null }, { signal });
    for (let n = 0; n < 2400; n++) await put(root, `many/${n}.dat`, String(n));
    const seen: string[] = [];
    for (let at = cursor; seen.length < 2400; ) {
      const result = await backend.follow({ cursor: at, interest: null }, { signal });
      expect(result.changes.length).toBeLessThanOrEqual(2000);
      seen.push(...result.changes.filter(({ kind }) => kind === 'new').map(keyOf));
      at = result.cursor;
    }
    expect(new Set(seen).size).toBe(2400);
  });
});

describe('a root that cannot be believed', () => {
  it('removes nothing when the folder is gone, says so, and goes on when it is back', async () => {
    await put(root, 'a.dat', 'a');
    const backend = await archive({ sweep: 100 });
    const changes = await follower(backend);
    await rename(root, `${root}.away`);
    expect(await backend.check()).toEqual({ ok: false, reason: expect.stringContaining('does not exist') });
    await sleep(500);
    expect(await keys(backend)).toEqual(['a.dat']);
    await rename(`${root}.away`, root);
    await put(root, 'b.dat', 'b');
    expect((await changes.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['new b.dat']);
    await vi.waitFor(async () => expect(await backend.check()).toMatchObject({ ok: true }));
  });

  it('takes an empty folder for a share that is not mounted, unless told otherwise', async () => {
    await put(root, 'a.dat', 'a');
    const backend = await archive({ sweep: 100 });
    await follower(backend);
    await rm(join(root, 'a.dat'));
    await sleep(500);
    expect(await keys(backend)).toEqual(['a.dat']);
    expect(await backend.check()).toEqual({
      ok: false,
      reason: expect.stringContaining('is empty although 1 products'),
    });
    await backend.close();
    const trusting = await archive({ sweep: 100, allowEmpty: true });
    await vi.waitFor(async () => expect(await keys(trusting)).toEqual([]), { timeout: 10_000 });
    expect(await trusting.check()).toMatchObject({ ok: true });
  });

  it('believes the marker: without it nothing, with it also emptiness', async () => {
    await put(root, '.mounted', '');
    await put(root, 'a.dat', 'a');
    await put(root, 'b.dat', 'b');
    const backend = await archive({ sweep: 100, marker: '.mounted' });
    const changes = await follower(backend);
    await rm(join(root, '.mounted'));
    await rm(join(root, 'a.dat'));
    await sleep(400);
    expect(await keys(backend)).toEqual(['a.dat', 'b.dat']);
    expect(await backend.check()).toEqual({ ok: false, reason: expect.stringContaining('.mounted') });
    await rm(join(root, 'b.dat'));
    await put(root, '.mounted', '');
    expect((await changes.next(2)).map((change) => `${change.kind} ${keyOf(change)}`).sort()).toEqual([
      'removed a.dat',
      'removed b.dat',
    ]);
  });

  it('keeps what lies in a folder that cannot be read, says so, and goes on with the rest', async () => {
    await put(root, 'open/a.dat', 'a');
    await put(root, 'closed/b.dat', 'b');
    const backend = await archive();
    await follower(backend);
    await backend.close();
    await rm(join(root, 'closed/b.dat'));
    await rm(join(root, 'open/a.dat'));
    const options = archiveConfig({ id: 'local', domain: ['local'], path: root, settle: 0, sweep: 100, watch: false });
    const real = archiveRoot(root, options);
    const denied = Object.assign(new Error('permission denied'), { code: 'EACCES' });
    const { products } = await loadMapping(bundledMapping('archive.yaml'));
    const scanner = createScanner({
      db: store.db,
      config: options,
      root: { ...real, entries: (path) => (path === 'closed' ? Promise.reject(denied) : real.entries(path)) },
      readers: compileReaders(readersSchema.parse({})),
      mapper: productMapper(products),
      fingerprint: 'another',
      domainOf: () => ['local'],
      clock: () => 0n,
      log: pino({ level: 'silent' }),
    });
    const stop = new AbortController();
    const running = scanner.run(stop.signal).catch((error: Error) => error);
    await vi.waitFor(() => expect(scanner.problem).toMatch(/cannot be read \(closed\)/));
    await vi.waitFor(async () => expect(await keys(backend)).toEqual(['closed/b.dat']));
    stop.abort();
    await running;
  });
});

describe('bodies', () => {
  it('ends with an error when the file is written to in place while it is read', async () => {
    await put(root, 'a.dat', Buffer.alloc(3_000_000, 1), 1_600_000_000);
    const backend = await archive({ watch: false, sweep: '1h' });
    await follower(backend);
    const { metadata, revision } = await entry(backend, 'a.dat');
    const { signal } = new AbortController();
    const body = await backend.open(metadata.productRef, { revision, offset: 0, signal });
    const reading = (async () => {
      let first = true;
      for await (const _ of body.stream) {
        if (!first) continue;
        first = false;
        const handle = await open(join(root, 'a.dat'), 'r+');
        await handle.write(Buffer.alloc(1000, 2), 0, 1000, 2_900_000);
        await handle.close();
      }
    })();
    await expect(reading).rejects.toSatisfy((error) => error instanceof MpdError && error.class === 'retry');
  });

  it('refuses, to be tried again, a file that is not yet what the index says, and then has the new one', async () => {
    await put(root, 'a.dat', 'one');
    const backend = await archive({ watch: false, sweep: '1h' });
    const changes = await follower(backend);
    const { metadata, revision } = await entry(backend, 'a.dat');
    await put(root, 'a.dat', 'other');
    const { signal } = new AbortController();
    const opening = () => backend.open(metadata.productRef, { revision, offset: 0, signal });
    await expect(opening()).rejects.toMatchObject({ code: 'Unknown', class: 'retry' });
    // The failed attempt had the path looked at, although neither event nor sweep did.
    expect((await changes.next(1))[0]?.kind).toBe('updated');
    await expect(opening()).rejects.toMatchObject({ code: 'Unknown', class: 'refuse' });
  });
});

describe('two gateways on one database and one folder', () => {
  it('list and follow the same, one scans, and the other takes over when it ends', async () => {
    await put(root, 'a.dat', 'a');
    const first = await archive();
    const second = await archive();
    const [one, two] = [await follower(first), await follower(second)];
    expect(await keys(second)).toEqual(['a.dat']);
    await put(root, 'b.dat', 'b');
    expect((await two.next(1)).map(keyOf)).toEqual((await one.next(1)).map(keyOf));
    await first.close();
    await put(root, 'c.dat', 'c');
    expect((await two.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['new c.dat']);
    expect(await listAll(second)).toHaveLength(3);
  });
});

describe('the one that scans', () => {
  it('goes on after it lost its lease for a while', async () => {
    await put(root, 'a.dat', 'a');
    const backend = await archive();
    const changes = await follower(backend);
    await sql`update lease set owner = 'other', until = now() + interval '2 seconds', epoch = epoch + 1`.execute(
      store.db,
    );
    await sleep(4500);
    await put(root, 'b.dat', 'b');
    expect((await changes.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['new b.dat']);
  });

  it('writes nothing more once another has taken over', async () => {
    await put(root, 'a.dat', 'a');
    const backend = await archive();
    await follower(backend);
    const { epoch } = await store.db.selectFrom('archive_state').select('epoch').executeTakeFirstOrThrow();
    const { products } = await loadMapping(bundledMapping('archive.yaml'));
    const writer = indexWriter({
      db: store.db,
      backend: 'local',
      epoch: epoch - 1n,
      mapper: productMapper(products),
      domainOf: () => ['local'],
      clock: () => 0n,
      log: pino({ level: 'silent' }),
    });
    await expect(writer.commit({ read: [], removed: ['a.dat'] })).rejects.toBeInstanceOf(TakenOver);
    expect(await keys(backend)).toEqual(['a.dat']);
  });
});

describe('configuration', () => {
  it.each([
    [{ settle: 'soon' }, /backends\.local\.settle/],
    [{ path: '' }, /backends\.local\.path/],
    [{ colour: 'red' }, /colour/],
    [{ mapping: '/no/such/mapping.yaml' }, /\/no\/such\/mapping\.yaml.*cannot be read/],
  ])('names the field at fault: %j', async (config, message) => {
    await expect(openArchive(store, root, config)).rejects.toThrow(message);
  });

  it('reads every file again when the mapping changes, without calling its content changed', async () => {
    await put(root, 'a.dat', 'a');
    const first = await archive();
    const changes = await follower(first);
    expect((await entry(first, 'a.dat')).metadata.productType.name).toBe('File');
    await first.close();
    const mapping = join(root, '.mapping.yaml');
    await writeFile(mapping, 'title: t\nconcepts: []\nproducts: { types: [{ name: Plain }] }\n');
    const second = await archive({ mapping });
    const later = await follower(second, changes.cursor);
    expect((await later.next(1)).map((change) => `${change.kind} ${keyOf(change)}`)).toEqual(['touched a.dat']);
    expect((await entry(second, 'a.dat')).metadata.productType.name).toBe('Plain');
  });

  it('forms domains from folders when asked to', async () => {
    await mkdir(join(root, 'm1'));
    await put(root, 'm1/tm/a.dat', 'a');
    await put(root, 'top.dat', 't');
    const backend = await archive({ domainFolders: 1 });
    await follower(backend);
    expect((await entry(backend, 'm1/tm/a.dat')).metadata.productRef.domain).toEqual(['local', 'm1']);
    expect((await entry(backend, 'top.dat')).metadata.productRef.domain).toEqual(['local']);
  });
});
