import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import type { Backend, BackendQuery, Change, Entry } from '../../src/gateway/backend.js';
import type { TestStore } from '../../src/store/testing.js';
import { configFor, dataDriveStore, openDataDrive } from '../../test/datadrive/backend.js';
import { startOn } from '../../test/datadrive/harness.js';
import { describeWithService } from '../../test/services/index.js';
import type { DataDriveTables } from './tables.js';

const ALL: BackendQuery = { filter: null, created: null, content: null, updated: null };
const signal = new AbortController().signal;
const kernel = 'm2020-spice-kernel';

const listAll = async (backend: Backend, query: BackendQuery = ALL, limit = 1000): Promise<Entry[]> => {
  const entries: Entry[] = [];
  for await (const { entry } of backend.list(query, { order: 'created', limit, signal })) entries.push(entry);
  return entries;
};
const pathsOf = (entries: readonly Entry[]) => entries.map((entry) => entry.path);
const textOf = async (backend: Backend, entry: Entry, offset = 0): Promise<string> => {
  const { stream } = await backend.open(entry.metadata.productRef, { revision: entry.revision, offset, signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};
const attributeOf = (entry: Entry | undefined, name: string): unknown =>
  entry?.metadata.attributes?.find((attribute) => attribute.name === name)?.value;

await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive backend and faults of the source', (index, s3) => {
  let dd: DataDriveSimulator;
  let store: TestStore<DataDriveTables>;
  const opened: Backend[] = [];
  const open = async (change: Readonly<Record<string, unknown>> = {}): Promise<Backend> => {
    const backend = await openDataDrive(store, configFor(dd, s3, { id: `b${opened.length}`, ...change }));
    opened.push(backend);
    return backend;
  };
  const put = async (fullName: string, text = 'content', metadata: Record<string, unknown> = { kernel_type: 'CK' }) =>
    (await dd.put({ package: 'm2020-spice', fullName, type: kernel, body: Buffer.from(text), metadata })).document;
  const under = (pathPrefix: string): BackendQuery => ({ ...ALL, filter: { pathPrefix } });
  const one = async (backend: Backend, path: string): Promise<Entry> => {
    const [entry] = await listAll(backend, under(path));
    if (!entry) throw new Error(`${path} is not listed`);
    return entry;
  };
  const token = (user: string): string => dd.cookie(user).replace(/^[^=]+=/, '');

  beforeAll(async () => {
    dd = await startOn(index, s3, { pageSize: 50 });
    store = await dataDriveStore();
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

  describe('the index', () => {
    beforeAll(async () => {
      await Promise.all(Array.from({ length: 25 }, (_, n) => put(`/list/f${n}.bc`, `body ${n}`)));
    });
    const small = { elasticsearch: {} as Record<string, unknown> };
    const paged = () => open({ ...small, elasticsearch: { ...configFor(dd, s3).elasticsearch, pageSize: 10 } });

    it('a search context lost in mid-listing is opened again: everything comes, once', async () => {
      const backend = await paged();
      const seen: (string | null)[] = [];
      for await (const { entry } of backend.list(under('list/'), { order: 'created', limit: 10, signal })) {
        seen.push(entry.path);
        if (seen.length === 5) dd.setFault('lostContext', true, { count: 1 });
      }
      expect(new Set(seen).size).toBe(25);
      expect(seen).toHaveLength(25);
      expect(dd.log().some(({ path, status }) => path === '/es/_search' && status === 404)).toBe(true);
    });

    it('never asks for more than the window of the server', async () => {
      dd.setFault('window10000', 10);
      expect(await listAll(await paged(), under('list/'), 10)).toHaveLength(25);
    });

    it.each([429, 503])('status %i is tried again', async (status) => {
      dd.setFault('esStatus', status, { count: 2 });
      expect(await listAll(await paged(), under('list/'))).toHaveLength(25);
    });

    it('a server that stays overloaded is an error of class retry, never a short list', async () => {
      const backend = await paged();
      await backend.productTypes();
      dd.setFault('esStatus', 503);
      await expect(listAll(backend)).rejects.toMatchObject({ class: 'retry', message: expect.stringContaining('503') });
    });

    it('a partial answer is asked for again, and an error when it stays partial', async () => {
      const backend = await paged();
      dd.setFault('partialShards', true, { count: 1 });
      expect(await listAll(backend, under('list/'))).toHaveLength(25);
      dd.setFault('partialShards', true);
      await expect(listAll(backend, under('list/'))).rejects.toMatchObject({ class: 'retry' });
    });

    it('totals as old servers give them are understood', async () => {
      dd.setFault('es6Totals', true);
      const health = await (await open()).check();
      expect(health).toEqual({
        ok: true,
        reason: expect.stringMatching(/^[1-9]\d* files of 3 object types under 3 aliases/),
      });
    });

    it('lists without a point in time where the site allows none', async () => {
      const elasticsearch = { ...configFor(dd, s3).elasticsearch, pageSize: 10, pointInTime: false };
      const before = dd.log().filter(({ path }) => path.endsWith('/_pit')).length;
      expect(await listAll(await open({ elasticsearch }), under('list/'))).toHaveLength(25);
      expect(dd.log().filter(({ path }) => path.endsWith('/_pit'))).toHaveLength(before);
    });

    it('asks for a folder by a prefix query on the aliases of the type, never by a scan', async () => {
      const backend = await open();
      await backend.productTypes();
      const before = dd.log().length;
      const filter = { all: [{ pathPrefix: 'list/f1' }, { productTypes: [kernel] }] };
      expect(await listAll(backend, { ...ALL, filter })).toHaveLength(11);
      const searches = dd
        .log()
        .slice(before)
        .filter(({ path }) => path.endsWith('/_search'));
      expect(searches.map(({ path }) => path)).toEqual([`/es/${dd.aliases[kernel]}/_search`]);
    });

    it('takes no value of a user for a part of a path or of query syntax', async () => {
      const backend = await open();
      const evil = ['../_all', '*', 'a,b', '_all/_search?q=', '"}}', '/list/*', 'list/f1*'];
      for (const text of evil) {
        const query = { ...ALL, filter: { all: [{ productTypes: [text] }] } };
        expect(await listAll(backend, query)).toEqual([]);
        expect(await listAll(backend, under(text))).toEqual([]);
        const ref = { domain: ['nasa', 'm2020', 'm2020-spice'], type: 'Product', key: text, version: 1 };
        expect(await backend.get([ref])).toEqual(['unknown']);
      }
      const paths = new Set(dd.log().map(({ path }) => path));
      for (const text of evil) for (const path of paths) expect(path).not.toContain(encodeURIComponent(text));
    });
  });

  describe('documents', () => {
    it('arrays, missing fields, day-of-year times, multipart ETags and odd names are listed and read', async () => {
      const metadata = { kernel_type: 'CK', mission: 'mars2020', label_time: '2021-08-20T11:52:01.000Z' };
      dd.setFault('arrayValues', true, { count: 1 });
      await put('/doc/array.bc', 'a', metadata);
      dd.setFault('missingFields', true, { count: 1 });
      await put('/doc/missing.bc', 'b', metadata);
      dd.setFault('doyTimes', true, { count: 1 });
      await put('/doc/doy.bc', 'c', metadata);
      dd.setFault('multipartEtag', true, { count: 1 });
      await put('/doc/multipart.bc', 'd', metadata);
      const backend = await open();
      const byPath = new Map((await listAll(backend, under('doc/'))).map((entry) => [entry.path, entry]));
      expect(attributeOf(byPath.get('doc/array.bc'), 'mission')).toEqual({ type: 'String', value: 'mars2020' });
      expect(attributeOf(byPath.get('doc/missing.bc'), 'mission')).toBeUndefined();
      expect(attributeOf(byPath.get('doc/doy.bc'), 'label_time')).toEqual({
        type: 'String',
        value: '2021-232T11:52:01.00000',
      });
      expect(byPath.get('doc/multipart.bc')).toMatchObject({ revision: expect.stringMatching(/-1:1$/), claim: null });
      for (const [path, entry] of byPath) expect([path, (await textOf(backend, entry)).length]).toEqual([path, 1]);
      dd.setFault('oddNames', true, { count: 1 });
      await dd.load(new URL('.', import.meta.url).pathname, { type: 'm2020-spice-inventory' });
      const odd = await listAll(backend, under('odd/'));
      expect(odd).toHaveLength(7);
      for (const entry of odd) expect(await textOf(backend, entry)).toBe(`/${entry.path}`);
    });

    it('a time of the index and a claim of a type field become MPD values', async () => {
      const md5 = '9a0364b9e99bb480dd25e1f0284c8555';
      const coverage = { gte: '2021-08-21T02:30:24.474', lte: '2021-12-23T10:20:29.667Z' };
      await put('/doc/full.bc', 'content', { kernel_type: 'CK', md5, coverage, product_version: 3 });
      const entry = await one(await open(), 'doc/full.bc');
      expect(entry.metadata).toMatchObject({
        productType: { name: kernel },
        productRef: { domain: ['nasa', 'm2020', 'm2020-spice'] },
        contentDate: { start: 1629513024474000000n, end: 1640254829667000000n },
        source: 'user-a',
        checksum: Buffer.from(md5, 'hex'),
        fileMetadata: { fileSize: 7n },
      });
      expect(attributeOf(entry, 'product_version')).toEqual({ type: 'Long', value: 3n });
      expect(attributeOf(entry, 'ocs_path')).toEqual({ type: 'String', value: '/doc' });
      expect(entry.fileName).toBe('full.bc');
    });

    describe('of two documents of one name', () => {
      let ids: readonly string[];
      beforeAll(async () => {
        await put('/dup/same.bc', 'first');
        dd.setFault('duplicateNames', true, { count: 1 });
        const { ocs_dataset_id } = await put('/dup/same.bc', 'second');
        await put('/dup/single.bc', 'single');
        const file = { package: 'm2020-spice-nc', fullName: '/dup/same.bc', type: kernel, body: Buffer.from('other') };
        const other = await dd.put({ ...file, metadata: { kernel_type: 'CK' } });
        ids = [ocs_dataset_id, other.document.ocs_dataset_id];
      });
      const named = (entries: readonly Entry[]) =>
        entries.filter(({ fileName }) => fileName === 'same.bc').map(({ metadata }) => metadata.productRef.key);

      it('the newest is the product, in each package; the other is not there', async () => {
        const backend = await open({ elasticsearch: { ...configFor(dd, s3).elasticsearch, pageSize: 10 } });
        await backend.follow({ cursor: null, interest: null }, { signal });
        const entries = await listAll(backend, under('dup/'));
        expect(named(entries).sort()).toEqual([...ids].sort());
        expect(entries).toHaveLength(3);
        const newest = entries.find(({ metadata }) => metadata.productRef.key === ids[0]);
        expect(newest && (await textOf(backend, newest))).toBe('second');
        // Also where a page or a filter holds only the older one.
        const updated = { start: 0n, end: (newest?.updatedAt ?? 0n) - 1n };
        expect(named(await listAll(backend, { ...under('dup/'), updated })).filter((id) => id !== ids[1])).toEqual([]);
      });

      it('both are products where the site says so', async () => {
        expect(named(await listAll(await open({ duplicates: 'all' }), under('dup/')))).toHaveLength(3);
      });
    });

    it('reads no bucket that is not listed', async () => {
      await put('/bucket/a.bc');
      const backend = await open({ s3: { ...configFor(dd, s3).s3, buckets: ['another-bucket'] } });
      await expect(textOf(backend, await one(backend, 'bucket/'))).rejects.toMatchObject({
        ...{ code: 'Unknown', class: 'refuse', message: expect.stringContaining('not among those that are read') },
      });
    });
  });

  describe('the data endpoint', () => {
    const pep = (user: string, family: string): Record<string, unknown> => ({
      ...{ bodies: 'pep', pep: { url: dd.url, links: [s3.url] } },
      login: { family, token: token(user) },
    });

    it.each([
      ['csso', 'user-a'],
      ['cam', 'user-b'],
    ])('gives the bytes to a %s login, from any offset', async (family, user) => {
      await put('/pep/a b#%ü.bc', '0123456789');
      const backend = await open(pep(user, family));
      const entry = await one(backend, 'pep/a b');
      expect(await textOf(backend, entry)).toBe('0123456789');
      expect(await textOf(backend, entry, 7)).toBe('789');
    });

    it('an expired link is asked for once more', async () => {
      await put('/pep/link.bc', 'fresh');
      const backend = await open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/link');
      dd.setFault('presignExpired', true, { count: 1 });
      expect(await textOf(backend, entry)).toBe('fresh');
      dd.setFault('presignExpired', true);
      await expect(textOf(backend, entry)).rejects.toMatchObject({ class: 'target-down' });
    });

    it('a link to a host that is not allowed is not followed', async () => {
      await put('/pep/cross.bc', 'x');
      const backend = await open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/cross');
      dd.setFault('crossHostRedirect', true);
      await expect(textOf(backend, entry)).rejects.toMatchObject({ message: expect.stringContaining('localhost') });
    });

    it('the cookie stays with the endpoint: a link gets none', async () => {
      const { ocs_url } = await put('/pep/cookie.bc', 'secret');
      const seen: (string | undefined)[] = [];
      const store3: Server = createServer((request, response) => {
        seen.push(request.headers.cookie);
        response.end('secret');
      });
      const endpoint: Server = createServer((request, response) => {
        seen.push(request.headers.cookie);
        const { port } = store3.address() as { port: number };
        response.writeHead(307, { location: `http://127.0.0.1:${port}${request.url}` }).end();
      });
      const listen = (server: Server): Promise<void> =>
        new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      await Promise.all([listen(store3), listen(endpoint)]);
      const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as { port: number }).port}`;
      const backend = await open({
        ...{ bodies: 'pep', pep: { url: urlOf(endpoint), links: [urlOf(store3)] } },
        login: { family: 'csso', token: token('user-a') },
      });
      expect(await textOf(backend, await one(backend, 'pep/cookie'))).toBe('secret');
      expect(seen).toEqual([dd.cookie('user-a'), undefined]);
      expect(ocs_url).toContain('cookie.bc');
      for (const server of [store3, endpoint]) server.close();
    });

    it.each(['length', 'chunked'] as const)('a body cut short (%s) is taken up again where it stopped', async (how) => {
      await put('/pep/cut.bc', 'x'.repeat(5000));
      const backend = await open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/cut');
      dd.setFault('truncateBody', how, { count: 1 });
      expect(await textOf(backend, entry)).toBe('x'.repeat(5000));
    });

    it('an endpoint that fails is an error of class retry with its status', async () => {
      await put('/pep/fail.bc');
      const backend = await open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/fail');
      dd.setFault('pepStatus', 503);
      await expect(textOf(backend, entry)).rejects.toMatchObject({
        class: 'retry',
        message: expect.stringContaining('503'),
      });
    });

    it('bytes of the right length and the wrong content carry the claim that shows it', async () => {
      const md5 = '9a0364b9e99bb480dd25e1f0284c8555';
      await put('/pep/wrong.bc', 'content', { kernel_type: 'CK', md5 });
      const backend = await open(pep('user-a', 'csso'));
      const entry = await one(backend, 'pep/wrong');
      dd.setFault('wrongBytes', true, { count: 1 });
      const body = await backend.open(entry.metadata.productRef, { revision: entry.revision, offset: 0, signal });
      expect(body.claim).toEqual({ algorithm: 'md5', value: Buffer.from(md5, 'hex') });
      const chunks: Uint8Array[] = [];
      for await (const chunk of body.stream) chunks.push(chunk);
      expect(Buffer.concat(chunks).toString()).not.toBe('content');
    });
  });

  describe('login', () => {
    const cam = () => ({ family: 'cam', cam: { url: dd.url, username: 'user-b', password: 'user-b-pw' } });

    it('a token that expires is renewed by the CAM login, in searches and downloads', async () => {
      await put('/login/a.bc', 'body');
      const backend = await open({ login: cam(), bodies: 'pep', pep: { url: dd.url, links: [s3.url] } });
      const entry = await one(backend, 'login/a');
      dd.setFault('expireToken', true, { user: 'user-b' });
      expect(await one(backend, 'login/a')).toEqual(entry);
      dd.setFault('expireToken', true, { user: 'user-b' });
      expect(await textOf(backend, entry)).toBe('body');
    });

    it('one that expires in mid-download is renewed and the rest is read', async () => {
      await put('/login/mid.bc', 'y'.repeat(4000));
      const backend = await open({ login: cam(), bodies: 'pep', pep: { url: dd.url, links: [s3.url] } });
      const entry = await one(backend, 'login/mid');
      dd.setFault('expireMidStream', true, { count: 1 });
      expect(await textOf(backend, entry)).toBe('y'.repeat(4000));
    });

    it('one that cannot be renewed says so', async () => {
      const backend = await open();
      dd.setFault('expireToken', true, { user: 'user-a' });
      expect(await backend.check()).toEqual({ ok: false, reason: expect.stringContaining('refused the login') });
    });

    it('a wrong CAM password says so', async () => {
      const login = { family: 'cam', cam: { url: dd.url, username: 'user-b', password: 'no' } };
      const health = await (await open({ login })).check();
      expect(health).toEqual({ ok: false, reason: expect.stringContaining('CAM login was refused') });
    });
  });

  describe('the feed', () => {
    const slow = { feed: { poll: 60_000, sweep: 600_000 } };
    const quick = { feed: { poll: 100, sweep: 600_000 } };
    const collect = async (backend: Backend, cursor: string, until: (seen: readonly Change[]) => boolean) => {
      const seen: Change[] = [];
      let at = cursor;
      while (!until(seen)) {
        const result = await backend.follow({ cursor: at, interest: null }, { signal: AbortSignal.timeout(30_000) });
        seen.push(...result.changes);
        at = result.cursor;
      }
      return { seen, cursor: at };
    };
    const start = async (backend: Backend) =>
      (await backend.follow({ cursor: null, interest: null }, { signal })).cursor;
    const pathOf = (change: Change) => (change.kind === 'removed' ? change.ref.key : change.entry.path);
    const connected = () => expect.poll(() => dd.state().sockets).toBeGreaterThan(0);

    it('an event brings a change long before the next poll, and a removal too', async () => {
      const backend = await open(slow);
      const cursor = await start(backend);
      const first = collect(backend, cursor, (seen) => seen.length > 0);
      await connected();
      const { ocs_dataset_id } = await put('/feed/event.bc');
      const { seen, cursor: next } = await first;
      expect(seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/event.bc' } }]);
      dd.setFault('removalEvents', true);
      const second = collect(backend, next, (changes) => changes.length > 0);
      await dd.delete(ocs_dataset_id);
      expect((await second).seen).toMatchObject([{ kind: 'removed', ref: { key: ocs_dataset_id } }]);
    });

    it('an event before its document is searchable is kept until it is', async () => {
      const backend = await open(slow);
      const waiting = collect(backend, await start(backend), (seen) => seen.length > 0);
      await connected();
      dd.setFault('indexLagMs', 1500, { count: 1 });
      await put('/feed/lag.bc');
      expect((await waiting).seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/lag.bc' } }]);
    });

    it('dropped, doubled and shuffled events lose and repeat nothing; unchanged bytes are only touched', async () => {
      const backend = await open(quick);
      const cursor = await start(backend);
      dd.setFault('dropEvents', true, { count: 3 });
      dd.setFault('dupEvents', true);
      dd.setFault('shuffleEvents', 4);
      for (let n = 0; n < 12; n++) await put(`/feed/m${n}.bc`, `one ${n}`);
      const first = await collect(backend, cursor, (seen) => seen.length >= 12);
      expect(first.seen.map(({ kind }) => kind)).toEqual(Array(12).fill('new'));
      expect(new Set(first.seen.map(pathOf)).size).toBe(12);
      await put('/feed/m1.bc', 'one 1');
      await put('/feed/m2.bc', 'two 2');
      const second = await collect(backend, first.cursor, (seen) => seen.length >= 2);
      expect(second.seen.map((change) => [change.kind, pathOf(change)]).sort()).toEqual([
        ['touched', 'feed/m1.bc'],
        ['updated', 'feed/m2.bc'],
      ]);
    });

    it('a clock of the source that is an hour off, either way, loses nothing', async () => {
      const backend = await open(quick);
      let cursor = await start(backend);
      for (const skew of [-3_600_000, 3_600_000]) {
        dd.setFault('clockSkewMs', skew);
        // With the source's clock behind, only the event can tell.
        await connected();
        const waiting = collect(backend, cursor, (seen) => seen.length > 0);
        await put(`/feed/skew${skew}.bc`);
        const { seen, cursor: next } = await waiting;
        expect(seen.map(pathOf)).toEqual([`feed/skew${skew}.bc`]);
        cursor = next;
        dd.clearFaults();
      }
      const after = collect(backend, cursor, (seen) => seen.length > 0);
      await put('/feed/after-skew.bc');
      expect((await after).seen.map(pathOf)).toEqual(['feed/after-skew.bc']);
    });

    it.each(['cutSocket', 'freezeSocket'] as const)('%s: polling finds what the feed does not tell', async (fault) => {
      const backend = await open(quick);
      const cursor = await start(backend);
      await connected();
      if (fault === 'cutSocket') dd.setFault('cutSocket', true, { count: 1 });
      else dd.setFault('freezeSocket', true);
      await put(`/feed/${fault}.bc`);
      const { seen } = await collect(backend, cursor, (changes) => changes.length > 0);
      expect(seen.map(pathOf)).toEqual([`feed/${fault}.bc`]);
      await connected();
    });

    it('strings for booleans, upload status and nonsense in the feed change nothing', async () => {
      const backend = await open(quick);
      const cursor = await start(backend);
      await connected();
      dd.setFault('stringBooleans', true);
      dd.setFault('uploadStatus', true);
      await put('/feed/strings.bc');
      const { seen } = await collect(backend, cursor, (changes) => changes.length > 0);
      expect(seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/strings.bc' } }]);
    });

    it('a removal that no event told is found by the comparison of all ids', async () => {
      const elasticsearch = { ...configFor(dd, s3).elasticsearch, pageSize: 10 };
      const backend = await open({ elasticsearch, feed: { poll: 100, sweep: 500 } });
      for (const n of [1, 2, 3]) await put(`/feed/gone${n}.bc`);
      const cursor = await start(backend);
      // The first, the last and one in the middle, over several pages.
      const ids = dd
        .files()
        .map((file) => file.ocs_dataset_id)
        .sort();
      const gone = [ids[0], ids.at(-1), ids[ids.length >> 1]].map(String);
      expect(ids.length).toBeGreaterThan(20);
      for (const id of gone) await dd.delete(id);
      const { seen } = await collect(backend, cursor, (changes) => changes.length >= 3);
      expect(seen.map(({ kind }) => kind)).toEqual(['removed', 'removed', 'removed']);
      expect(seen.map(pathOf).sort()).toEqual(gone.sort());
    });

    it('works by polling alone where there is no event feed', async () => {
      const { middleware: _, ...rest } = configFor(dd, s3, { id: 'polling', ...quick });
      const backend = await openDataDrive(store, rest);
      opened.push(backend);
      const sockets = dd.state().sockets;
      const cursor = await start(backend);
      await put('/feed/polled.bc');
      expect((await collect(backend, cursor, (seen) => seen.length > 0)).seen.map(pathOf)).toEqual(['feed/polled.bc']);
      expect(dd.state().sockets).toBe(sockets);
    });
  });

  describe('configuration', () => {
    it.each([
      ['s3', { s3: undefined }, /s3: is needed/],
      ['login', { login: undefined }, /login: is needed/],
      ['a login with two sources', { login: { family: 'csso', token: 'a', tokenFile: 'b' } }, /exactly one/],
      ['an unknown key', { elastic: {} }, /[Uu]nrecognized key/],
      ['a bad URL', { middleware: { url: 'ftp://x' } }, /middleware.url/],
    ])('refuses without or with wrong %s, naming the field', async (_, change, reason) => {
      await expect(open(change)).rejects.toMatchObject({ code: 'Invalid', message: expect.stringMatching(reason) });
    });

    it('says in its health which alias, field and bucket do not resolve', async () => {
      const config = configFor(dd, s3);
      const noAlias = { elasticsearch: { ...config.elasticsearch, aliases: ['nothing-*'] } };
      expect((await (await open(noAlias)).check()).reason).toMatch(/no alias of the index fits/);
      expect((await (await open({ fields: { id: 'no_such_id' } })).check()).reason).toMatch(
        /no alias maps the field no_such_id/,
      );
      expect((await (await open({ fields: { created: 'no_time' } })).check()).reason).toMatch(/has no field no_time/);
      const noBucket = { s3: { ...config.s3, buckets: ['no-such-bucket'] } };
      expect((await (await open(noBucket)).check()).reason).toMatch(/bucket no-such-bucket: does not exist/);
    });

    it('takes only the packages that are asked for', async () => {
      await put('/pkg/a.bc');
      const file = { package: 'm2020-spice-nc', fullName: '/pkg/b.bc', type: kernel, body: Buffer.from('b') };
      await dd.put({ ...file, metadata: { kernel_type: 'CK' } });
      expect(pathsOf(await listAll(await open(), under('pkg/'))).sort()).toEqual(['pkg/a.bc', 'pkg/b.bc']);
      const only = await open({ packages: ['m2020-spice-nc'] });
      expect(pathsOf(await listAll(only, under('pkg/')))).toEqual(['pkg/b.bc']);
      const domain = await listAll(await open(), {
        ...under('pkg/'),
        filter: { domain: ['nasa', 'm2020', 'm2020-spice'] },
      });
      expect(domain.every((entry) => entry.metadata.productRef.domain.at(-1) === 'm2020-spice')).toBe(true);
    });
  });
});
