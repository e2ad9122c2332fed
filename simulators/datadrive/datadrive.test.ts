import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listenTo, packageFrame, startOn } from '../../test/datadrive/harness.js';
import { describeWithService } from '../../test/services/index.js';
import { type DataDriveSimulator, m2020Packages } from './index.js';

const dataset = fileURLToPath(new URL('../../../shared/datasets/m2020-spice', import.meta.url));
const hasDataset = existsSync(dataset);
const congruent = m2020Packages[0]?.package_id ?? '';
const everything = { start_time: 0, end_time: 4e12, all_pkg: false, pkg: [congruent], include_full_path: false };

interface Page {
  readonly results: readonly Readonly<Record<string, unknown>>[];
  readonly total: number;
  readonly marker?: string;
}

for (const search of ['elasticsearch', 'elasticsearch7', 'opensearch'] as const)
  await describeWithService([search, 'versitygw'], 'DataDrive stand-in', (index, s3) => {
    let dd: DataDriveSimulator;
    const call = (path: string, init: RequestInit & { readonly user?: string } = {}): Promise<Response> =>
      fetch(dd.url + path, { redirect: 'manual', ...init, headers: { cookie: dd.cookie(init.user ?? 'user-a') } });
    const post = (path: string, body: object, user = 'user-a'): Promise<Response> =>
      fetch(dd.url + path, { method: 'POST', headers: { cookie: dd.cookie(user) }, body: JSON.stringify(body) });
    const playback = async (body: object): Promise<Page> =>
      (await (await post('/api/playback/v2', body)).json()) as Page;
    const put = (fullName: string, text: string, metadata: Record<string, unknown> = { kernel_type: 'CK' }) =>
      dd.put({ package: congruent, fullName, type: 'm2020-spice-kernel', body: Buffer.from(text), metadata });

    beforeAll(async () => {
      dd = await startOn(index, s3, { pageSize: 3 });
    });
    afterAll(() => dd.stop({ destroy: true }));

    it('asks for a login: HTML on the root, JSON elsewhere', async () => {
      const root = await fetch(dd.url);
      expect([root.status, root.headers.get('content-type')]).toEqual([401, 'text/html']);
      const other = await fetch(`${dd.url}/ssostatus`);
      expect([other.status, other.headers.get('content-type')]).toEqual([401, 'application/json']);
      expect(await (await call('/')).json()).toMatchObject({ ocs_stage: 'sim' });
      const login = await fetch(`${dd.url}/json/authenticate`, {
        method: 'POST',
        headers: { 'x-openam-username': 'user-b', 'x-openam-password': 'user-b-pw' },
      });
      const { tokenId } = (await login.json()) as { tokenId: string };
      const fresh = await fetch(`${dd.url}/ssostatus`, { headers: { cookie: `mdmsSsoToken=${tokenId}` } });
      expect(await fresh.json()).toEqual({ authenticated: true });
    });

    it('announces, plays back in pages and hands out a file', async () => {
      const listener = await listenTo(dd, dd.cookie('user-a'), packageFrame(congruent));
      for (const n of [1, 2, 3, 4]) await put(`/life/f${n}.bc`, `content ${n}`);
      await put('/life/f1.bc', 'content 1');
      const frames = await listener.received(5);
      expect(frames[0]).toMatchObject({
        ocs_full_name: '/life/f1.bc',
        ocs_url: `s3://${dd.buckets[0]}/life/f1.bc`,
        package_dataset_event: 'OCS object indexed',
        s3_object_changed: true,
      });
      expect(frames[4]).toMatchObject({ ocs_full_name: '/life/f1.bc', s3_object_changed: false });
      listener.socket.close();

      const first = await playback({ ...everything, glob_regex: 'f*' });
      expect([first.results.length, first.total]).toEqual([3, 4]);
      const second = await playback({ ...everything, glob_regex: 'f*', pagination_marker: first.marker });
      expect([...first.results, ...second.results].map((row) => row.ocs_full_name)).toEqual(
        [2, 3, 4, 1].map((n) => `/life/f${n}.bc`),
      );
      const third = await playback({ ...everything, glob_regex: 'f*', pagination_marker: second.marker });
      expect([third.results, third.total]).toEqual([[], 4]);

      const redirect = await call(`/${dd.buckets[0]}/life/f2.bc`);
      expect(redirect.status).toBe(307);
      expect(await (await fetch(redirect.headers.get('location') ?? '')).text()).toBe('content 2');
      const link = await call(`/${dd.buckets[0]}/life/f3.bc`, { user: 'user-b' });
      const { presigned_url } = (await link.json()) as { presigned_url: string };
      expect(await (await fetch(presigned_url)).text()).toBe('content 3');
    });

    it('keeps a file of a non-congruent package under a key of its own', async () => {
      const body = Buffer.from('x');
      const other = { package: 'm2020-spice-nc', fullName: '/a/b.bc', type: 'm2020-spice-kernel', body };
      const { document } = await dd.put(other);
      expect(document.ocs_url).toMatch(/^s3:\/\/\S+-m2020-spice-nc\/data_drive\/uploads\/\S+Z\/[0-9a-f-]{36}\/b\.bc$/);
    });

    it('answers direct searches for its object types only, with aliases and mappings', async () => {
      const alias = dd.aliases['m2020-spice-kernel'];
      const found = await post(`/es/${alias}/_search`, { query: { prefix: { ocs_full_name: '/life/' } } });
      expect(((await found.json()) as { hits: { hits: unknown[] } }).hits.hits).toHaveLength(4);
      const mapping = (await (await call(`/es/${alias}/_mapping`)).json()) as Record<string, unknown>;
      expect(Object.values(mapping)[0]).toMatchObject({
        mappings: { properties: { coverage: { type: 'date_range' }, product_version: { type: 'long' } } },
      });
      expect(Object.keys((await (await call('/es/_alias')).json()) as object)).toHaveLength(3);
      expect((await post('/es/_all/_search', {})).status).toBe(403);
      expect((await post('/es/_search', {})).status).toBe(403);
      expect((await post(`/es/${alias}/_search`, { from: 9999, size: 2 })).status).toBe(400);
    });

    it('takes uploads, refuses a second without overwrite, and moves and deletes', async () => {
      const form = (text: string, overwrite: string): FormData => {
        const data = new FormData();
        data.append('pkg_id', congruent);
        data.append('ocs_path', '/up');
        data.append('overwrite', overwrite);
        data.append('name', `s3://${dd.buckets[0]}/up/n.txt`);
        data.append('file', new Blob([text]), 'n.txt');
        return data;
      };
      const send = (path: string, body: FormData): Promise<Response> => call(path, { method: 'POST', body });
      expect((await send('/api/UploadAutoForce', form('one', 'false'))).status).toBe(200);
      expect((await send('/api/UploadAutoForce', form('two', 'false'))).status).toBe(500);
      const manual = form('three', 'true');
      manual.append('ocs_name', 'n.txt');
      const answer = (await (await send('/api/UploadManual', manual)).json()) as Record<string, string>;
      expect(answer).toMatchObject({ name: 'n.txt', s3_key: 'up/n.txt', type_name: 'm2020-spice-inventory' });
      const id = answer.dataset_id ?? '';
      const to = { src_id: id, src_pkg_id: congruent, dest_pkg_id: congruent, dest_path: '/moved', dest_name: 'm.txt' };
      expect((await post('/api/move/item', to)).status).toBe(200);
      expect(dd.files().find((file) => file.ocs_dataset_id === id)?.ocs_full_name).toBe('/moved/m.txt');
      expect((await call(`/api/delete/${congruent}/${id}`, { method: 'DELETE' })).status).toBe(200);
      expect((await playback({ ...everything, regex: '/moved/.*' })).total).toBe(0);
    });

    it('matches saved searches live and in playback, under both paths', async () => {
      await dd.addSavedSearch({
        ...{ ss_name: 'my search', ss_type: 'personal', ss_owner: 'user-a' },
        ss_query: { term: { kernel_type: 'SCLK' } },
      });
      expect((await call('/api/saved_search/get/user-a/my%20search')).status).toBe(200);
      expect((await call('/api/saved_search/get/my%20search')).status).toBe(200);
      expect((await call('/api/saved_search/get/my%20search', { user: 'user-b' })).status).toBe(404);
      const listener = await listenTo(dd, dd.cookie('user-a'), packageFrame('invalidId'), {
        interested_saved_searches: [{ type: 'personal', owner: 'user-a', name: 'my search' }],
      });
      await put('/ss/a.bc', 'a');
      await put('/ss/b.tsc', 'b', { kernel_type: 'SCLK' });
      expect(await listener.received(1)).toMatchObject([{ ocs_full_name: '/ss/b.tsc', ss_name: 'my search' }]);
      listener.socket.close();
      const page = await playback({ start_time: 0, end_time: 4e12, ss_name: 'my search' });
      expect(page.results.map((row) => row.ocs_full_name)).toEqual(['/ss/b.tsc']);
    });

    describe.skipIf(!hasDataset)('with the three releases (skipped without the data set)', () => {
      it.each(['m2020-spice', 'm2020-spice-nc'])('loads them into %s as new, changed and unchanged', async (pkg) => {
        expect(await dd.load(`${dataset}/release1`, { package: pkg })).toEqual({ new: 12, updated: 0, touched: 0 });
        const inventory = dd
          .files()
          .find(
            (one) => one.ocs_package_name === pkg && one.ocs_name === 'collection_spice_kernels_inventory_v001.csv',
          );
        expect(inventory?.md5, 'the one wrong md5 of the data is kept').toBe('6ea3f98c6ec4e1505aab658982418458');
        expect(inventory?.ocs_etag).toBe('3adeca23ab492731a613944dd074840a');
        expect(await dd.load(`${dataset}/release2`, { package: pkg })).toEqual({ new: 13, updated: 7, touched: 5 });
        expect(await dd.load(`${dataset}/release3`, { package: pkg })).toEqual({ new: 11, updated: 15, touched: 10 });
      });

      it('takes type fields from the labels', () => {
        const file = (name: string) => dd.files().find((one) => one.ocs_full_name === name);
        expect(file('/spice/ck/m2020_surf_rover_tlm_0179_0299_v1.bc')).toMatchObject({
          ...{ kernel_type: 'CK', product_version: 1, mission: 'mars2020', size: 256000 },
          md5: '6aaf2ef69da97bfe189b37476837ba5e',
          coverage: { gte: '2021-08-21T02:30:24.474Z', lte: '2021-12-23T10:20:29.667Z' },
        });
        expect(file('/spice/sclk/m2020_168_sclkscet_refit_v02.tsc')).toMatchObject({ product_version: 2 });
        expect(file('/spice/ck/m2020_surf_rover_tlm_0179_0299_v1.xml')).toMatchObject({
          describes: '/spice/ck/m2020_surf_rover_tlm_0179_0299_v1.bc',
        });
      });
    });
  });
