import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Frame, listenTo, packageFrame, startOn } from '../../test/datadrive/harness.js';
import { describeWithService } from '../../test/services/index.js';
import { type DataDriveSimulator, faultNames, m2020Packages } from './index.js';

const congruent = m2020Packages[0]?.package_id ?? '';
const window = { start_time: 0, end_time: 4e12, all_pkg: false, pkg: [congruent] };

interface Page {
  readonly results: readonly Frame[];
  readonly total: number;
  readonly marker?: string;
}
interface Hits {
  readonly hits: { readonly total: number | { readonly value: number }; readonly hits: readonly { _source: Frame }[] };
  readonly _shards: { readonly failed: number };
}

await describeWithService(['elasticsearch', 'versitygw'], 'fault switches of the DataDrive stand-in', (index, s3) => {
  let dd: DataDriveSimulator;
  let serial = 0;
  const kernel = 'm2020-spice-kernel';
  const put = async (fullName = `/f/${++serial}.bc`, text = 'content', metadata: Frame = { kernel_type: 'CK' }) =>
    (await dd.put({ package: congruent, fullName, type: kernel, body: Buffer.from(text), metadata })).document;
  const get = (path: string, user = 'user-a'): Promise<Response> =>
    fetch(dd.url + path, { redirect: 'manual', headers: { cookie: dd.cookie(user) } });
  const post = (path: string, body: object, user = 'user-a'): Promise<Response> =>
    fetch(dd.url + path, { method: 'POST', headers: { cookie: dd.cookie(user) }, body: JSON.stringify(body) });
  const playback = async (body: object = window): Promise<Page> =>
    (await (await post('/api/playback/v2', body)).json()) as Page;
  const search = async (body: object = {}): Promise<Hits> =>
    (await (await post(`/es/${dd.aliases[kernel]}/_search`, body)).json()) as Hits;
  const pathOf = (url: string): string => url.slice('s3:/'.length);
  const subscribe = () => listenTo(dd, dd.cookie('user-a'), packageFrame(congruent));
  const names = (frames: readonly Frame[]) => frames.map((frame) => frame.ocs_full_name);

  beforeAll(async () => {
    dd = await startOn(index, s3, { pageSize: 2, presignedSeconds: 60 });
  });
  afterEach(() => {
    dd.clearFaults();
    dd.setClock(0);
  });
  afterAll(() => dd.stop({ destroy: true }));

  it('names every switch once', () => {
    expect(new Set(faultNames).size).toBe(faultNames.length);
  });

  describe('feed', () => {
    it('indexLagMs: the event comes before the document', async () => {
      const listener = await subscribe();
      dd.setFault('indexLagMs', 2000, { count: 1 });
      const document = await put();
      await listener.received(1);
      const query = { query: { term: { ocs_dataset_id: document.ocs_dataset_id } } };
      expect((await search(query)).hits.hits).toEqual([]);
      await expect.poll(async () => (await search(query)).hits.hits.length, { timeout: 5000 }).toBe(1);
    });

    it('dropEvents, dupEvents, eventLagMs and shuffleEvents disturb the order and number of events', async () => {
      const listener = await subscribe();
      dd.setFault('dropEvents', true, { count: 1 });
      await put('/feed/dropped.bc');
      dd.setFault('dupEvents', true, { count: 1 });
      await put('/feed/double.bc');
      expect(names(await listener.received(2))).toEqual(['/feed/double.bc', '/feed/double.bc']);
      dd.setFault('eventLagMs', 300, { count: 1 });
      await put('/feed/late.bc');
      await put('/feed/prompt.bc');
      expect(names(await listener.received(4)).slice(2)).toEqual(['/feed/prompt.bc', '/feed/late.bc']);
      dd.setFault('shuffleEvents', 3);
      for (const n of [1, 2, 3]) await put(`/feed/s${n}.bc`);
      expect(names(await listener.received(7)).slice(4)).toEqual(['/feed/s3.bc', '/feed/s2.bc', '/feed/s1.bc']);
      listener.socket.close();
    });

    it('stringBooleans, removalEvents and uploadStatus change what frames say', async () => {
      const listener = await subscribe();
      dd.setFault('stringBooleans', true);
      const document = await put('/feed/string.bc');
      expect((await listener.received(1))[0]).toMatchObject({ s3_object_changed: 'true' });
      await dd.delete(document.ocs_dataset_id);
      dd.setFault('removalEvents', true);
      const second = await put('/feed/removed.bc');
      await dd.delete(second.ocs_dataset_id);
      expect((await listener.received(3))[2]).toMatchObject({
        package_dataset_event: 'OBJ_REMOVED_DELETED',
        ocs_full_name: '/feed/removed.bc',
      });
      dd.setFault('uploadStatus', true);
      const form = new FormData();
      form.append('pkg_id', 'no such package');
      form.append('file', new Blob(['x']), 'x.txt');
      await fetch(`${dd.url}/api/UploadAutoForce`, {
        ...{ method: 'POST', body: form },
        headers: { cookie: dd.cookie('user-a') },
      });
      expect((await listener.received(4))[3]).toMatchObject({ upload_status: 'failed', failed: 'true' });
      listener.socket.close();
    });

    it('cutSocket ends a connection without a close frame', async () => {
      const listener = await subscribe();
      dd.setFault('cutSocket', true, { count: 1 });
      expect(await listener.closed).toBe(1006);
    });

    it('freezeSocket and noPong leave it open', async () => {
      const listener = await subscribe();
      let pongs = 0;
      listener.socket.on('pong', () => pongs++);
      dd.setFault('noPong', true);
      listener.socket.ping();
      await put('/feed/no-pong.bc');
      await listener.received(1);
      dd.setFault('freezeSocket', true);
      await put('/feed/frozen.bc');
      dd.clearFaults();
      await put('/feed/thawed.bc');
      expect(names(await listener.received(2))).toEqual(['/feed/no-pong.bc', '/feed/thawed.bc']);
      expect(pongs).toBe(0);
      listener.socket.close();
    });

    it('clockSkewMs and the clock move the times that events and documents carry', async () => {
      dd.setClock(-3_600_000);
      dd.setFault('clockSkewMs', -60_000);
      const before = Date.now();
      const at = Date.parse((await put()).ocs_updated_at);
      expect(at - (before - 3_660_000)).toBeGreaterThanOrEqual(-1);
      expect(at).toBeLessThan(before - 3_600_000);
    });
  });

  describe('login', () => {
    it('expireToken refuses what was valid, for one user; a new login works', async () => {
      dd.setFault('expireToken', true, { user: 'user-b' });
      expect((await get('/ssostatus', 'user-b')).status).toBe(401);
      expect((await get('/ssostatus', 'user-a')).status).toBe(200);
      await expect(listenTo(dd, dd.cookie('user-b'))).rejects.toThrow('401');
      const headers = { 'x-openam-username': 'user-b', 'x-openam-password': 'user-b-pw' };
      const login = await fetch(`${dd.url}/json/authenticate`, { method: 'POST', headers });
      const cookie = `mdmsSsoToken=${((await login.json()) as { tokenId: string }).tokenId}`;
      expect((await fetch(`${dd.url}/ssostatus`, { headers: { cookie } })).status).toBe(200);
    });

    it('expireMidStream breaks a download half way and ends the token', async () => {
      const { ocs_url } = await put('/login/mid.bc', 'x'.repeat(1000));
      dd.setFault('expireMidStream', true, { count: 1 });
      const answer = await get(pathOf(ocs_url));
      expect(answer.headers.get('content-length')).toBe('1000');
      await expect(answer.arrayBuffer()).rejects.toThrow();
      expect((await get('/ssostatus')).status).toBe(401);
    });
  });

  describe('playback', () => {
    it('totalPlus, noMarker, emptyPageEarly and playbackStatus', async () => {
      await put();
      await put();
      await put();
      const plain = await playback();
      dd.setFault('totalPlus', 1);
      dd.setFault('noMarker', true);
      const odd = await playback();
      expect([odd.total, odd.marker]).toEqual([plain.total + 1, undefined]);
      dd.setFault('emptyPageEarly', 2);
      expect((await playback()).results).toHaveLength(2);
      expect((await playback({ ...window, pagination_marker: plain.marker })).results).toEqual([]);
      dd.setFault('playbackStatus', 503, { count: 1 });
      expect((await post('/api/playback/v2', window)).status).toBe(503);
      expect((await post('/api/playback/v2', window)).status).toBe(200);
    });

    it('rowsWithoutName and duplicateNames', async () => {
      await put('/dup/same.bc', 'one');
      dd.setFault('duplicateNames', true, { count: 1 });
      await put('/dup/same.bc', 'two');
      const page = await playback({ ...window, glob_regex: 'same*' });
      expect(names(page.results)).toEqual(['/dup/same.bc', '/dup/same.bc']);
      expect(new Set(page.results.map((row) => row.ocs_dataset_id)).size).toBe(2);
      dd.setFault('rowsWithoutName', true, { count: 1 });
      expect(names((await playback({ ...window, glob_regex: 'same*' })).results)).toEqual([undefined, '/dup/same.bc']);
    });
  });

  describe('data endpoint', () => {
    it('pepStatus and pepDelayMs', async () => {
      const { ocs_url } = await put();
      dd.setFault('pepStatus', 503, { count: 1 });
      expect((await get(pathOf(ocs_url))).status).toBe(503);
      dd.setFault('pepDelayMs', 300, { count: 1 });
      const before = Date.now();
      expect((await get(pathOf(ocs_url))).status).toBe(307);
      expect(Date.now() - before).toBeGreaterThanOrEqual(295);
    });

    it.each(['length', 'chunked'] as const)('truncateBody %s ends a body half way', async (how) => {
      const { ocs_url } = await put('/pep/cut.bc', 'y'.repeat(1000));
      dd.setFault('truncateBody', how, { count: 1 });
      const answer = await get(pathOf(ocs_url));
      expect(answer.headers.get('content-length')).toBe(how === 'length' ? '1000' : null);
      await expect(answer.arrayBuffer()).rejects.toThrow();
    });

    it('wrongBytes has the right length and another content', async () => {
      const { ocs_url } = await put('/pep/wrong.bc', 'right');
      dd.setFault('wrongBytes', true, { count: 1 });
      const text = await (await get(pathOf(ocs_url))).text();
      expect([text.length, text === 'right']).toEqual([5, false]);
    });

    it('presignExpired gives a link that is refused; crossHostRedirect another host name', async () => {
      const { ocs_url } = await put();
      dd.setFault('presignExpired', true, { count: 1 });
      const link = (await get(pathOf(ocs_url))).headers.get('location') ?? '';
      expect((await fetch(link)).status).toBe(403);
      dd.setFault('crossHostRedirect', true, { count: 1 });
      expect((await get(pathOf(ocs_url))).headers.get('location')).toMatch(/^http:\/\/localhost:/);
    });
  });

  describe('index', () => {
    it('es6Totals, window10000, esStatus, partialShards and lostContext', async () => {
      const whole = (await search({ size: 100 })).hits.hits.length;
      dd.setFault('es6Totals', true, { count: 1 });
      expect((await search()).hits.total).toBeTypeOf('number');
      dd.setFault('window10000', 50);
      expect((await post(`/es/${dd.aliases[kernel]}/_search`, { from: 41, size: 10 })).status).toBe(400);
      expect((await post(`/es/${dd.aliases[kernel]}/_search`, { from: 40, size: 10 })).status).toBe(200);
      dd.clearFaults();
      dd.setFault('esStatus', 429, { count: 1 });
      expect((await post(`/es/${dd.aliases[kernel]}/_search`, {})).status).toBe(429);
      dd.setFault('partialShards', true, { count: 1 });
      const partial = await search({ size: 100 });
      expect([partial._shards.failed, partial.hits.hits.length]).toEqual([1, Math.ceil(whole / 2)]);
      const pit = await post(`/es/${dd.aliases[kernel]}/_pit?keep_alive=1m`, {});
      const { id } = (await pit.json()) as { id: string };
      dd.setFault('lostContext', true, { count: 1 });
      expect((await post('/es/_search', { pit: { id } })).status).toBe(404);
      expect((await post('/es/_search', { pit: { id } })).status).toBe(200);
    });
  });

  describe('documents', () => {
    it('arrayValues, missingFields, doyTimes and multipartEtag', async () => {
      const metadata = { kernel_type: 'CK', mission: 'mars2020', label_time: '2021-08-20T11:52:01.000Z' };
      dd.setFault('arrayValues', true, { count: 1 });
      expect(await put('/odd/array.bc', 'a', metadata)).toMatchObject({ mission: ['mars2020', 'mars2020'] });
      dd.setFault('missingFields', true, { count: 1 });
      const missing = await put('/odd/missing.bc', 'b', metadata);
      expect([missing.kernel_type, missing.mission]).toEqual(['CK', undefined]);
      dd.setFault('doyTimes', true, { count: 1 });
      expect(await put('/odd/doy.bc', 'c', metadata)).toMatchObject({ label_time: '2021-232T11:52:01.00000' });
      dd.setFault('multipartEtag', true, { count: 1 });
      expect((await put('/odd/multi.bc', 'd')).ocs_etag).toMatch(/^[0-9a-f]{32}-1$/);
    });

    it('oddNames loads names that are hard to carry, and serves them', async () => {
      dd.setFault('oddNames', true, { count: 1 });
      await dd.load(new URL('.', import.meta.url).pathname, { type: 'm2020-spice-inventory' });
      const odd = dd.files().filter((file) => file.ocs_full_name.startsWith('/odd/') && file.ocs_name.endsWith('.txt'));
      expect(odd.length).toBe(7);
      for (const file of odd) {
        const path = pathOf(file.ocs_url).split('/').map(encodeURIComponent).join('/');
        const link = (await get(path)).headers.get('location') ?? '';
        expect(await (await fetch(link)).text()).toBe(file.ocs_full_name);
      }
    });

    it('slowUpload holds the answer back', async () => {
      dd.setFault('slowUpload', 300, { count: 1 });
      const form = new FormData();
      form.append('pkg_id', congruent);
      form.append('ocs_path', '/slow');
      form.append('file', new Blob(['x']), 'x.txt');
      const before = Date.now();
      const headers = { cookie: dd.cookie('user-a') };
      await fetch(`${dd.url}/api/UploadAutoForce`, { method: 'POST', body: form, headers });
      expect(Date.now() - before).toBeGreaterThanOrEqual(295);
    });
  });

  describe('control port and rights', () => {
    const control = async (path: string, body?: object): Promise<Response> =>
      fetch(`${dd.controlUrl}/_sim/${path}`, body ? { method: 'POST', body: JSON.stringify(body) } : {});

    it('puts, touches, deletes, switches and tells its state and log', async () => {
      const stored = await control('put', { package: 'm2020-spice', fullName: '/c/a.bc', type: kernel, text: 'hello' });
      const { document } = (await stored.json()) as { document: { ocs_dataset_id: string; ocs_updated_at: string } };
      await control('clock', { offsetMs: 60_000 });
      const touched = (await (await control('touch', { id: document.ocs_dataset_id })).json()) as typeof document;
      expect(Date.parse(touched.ocs_updated_at)).toBeGreaterThan(Date.parse(document.ocs_updated_at) + 59_000);
      await control('fault', { name: 'pepStatus', value: 500, count: 2 });
      expect(await (await control('state')).json()).toMatchObject({
        faults: { pepStatus: [{ value: 500, left: 2 }] },
        packages: ['m2020-spice', 'm2020-spice-nc'],
      });
      expect((await control('fault', { name: 'noSuchSwitch' })).status).toBe(400);
      await control('fault', { clear: true });
      expect((await control('delete', { id: document.ocs_dataset_id })).status).toBe(200);
      expect((await control('delete', { id: document.ocs_dataset_id })).status).toBe(400);
      await get('/ssostatus');
      const log = (await (await control('log')).json()) as readonly Frame[];
      expect(log.at(-1)).toMatchObject({ method: 'GET', path: '/ssostatus', user: 'user-a', status: 200 });
      expect((await fetch(`${dd.url}/_sim/state`, { headers: { cookie: dd.cookie('user-a') } })).status).toBe(404);
    });

    it('hides what a user may not read from search, playback, events and the data endpoint', async () => {
      const rule = { package: 'm2020-spice', read: true, write: false };
      const strict = await startOn(index, s3, {
        policies: [
          { ...rule, group: 'ops', pathPrefix: '/', write: true },
          { ...rule, user: 'user-b', pathPrefix: '/open/' },
        ],
      });
      try {
        const listener = await listenTo(strict, strict.cookie('user-b'), packageFrame(congruent));
        const file = { package: congruent, type: kernel, body: Buffer.from('x'), metadata: { kernel_type: 'CK' } };
        const secret = (await strict.put({ ...file, fullName: '/secret/a.bc' })).document;
        await strict.put({ ...file, fullName: '/open/b.bc' });
        expect(names(await listener.received(1))).toEqual(['/open/b.bc']);
        const headers = { cookie: strict.cookie('user-b') };
        const ask = async (path: string, body: object) =>
          (await (
            await fetch(strict.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
          ).json()) as Page & Hits;
        expect(names((await ask('/api/playback/v2', window)).results)).toEqual(['/open/b.bc']);
        const found = await ask(`/es/${strict.aliases[kernel]}/_search`, { query: { match_all: {} } });
        expect(names(found.hits.hits.map((hit) => hit._source))).toEqual(['/open/b.bc']);
        expect((await fetch(strict.url + pathOf(secret.ocs_url), { headers })).status).toBe(403);
        const remove = `${strict.url}/api/delete/${congruent}/${secret.ocs_dataset_id}`;
        expect((await fetch(remove, { method: 'DELETE', headers })).status).toBe(403);
      } finally {
        await strict.stop({ destroy: true });
      }
    });
  });
});
