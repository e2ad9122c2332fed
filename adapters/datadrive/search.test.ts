import { beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/gateway/backend.js';
import { ALL, kernel, listAll, signal, testSource, under } from '../../test/datadrive/source.js';
import { describeWithService } from '../../test/services/index.js';

await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive backend and faults of the source', (index, s3) => {
  const source = testSource(index, s3);

  describe('the index', () => {
    beforeAll(async () => {
      await Promise.all(Array.from({ length: 25 }, (_, n) => source.put(`/list/f${n}.bc`, `body ${n}`)));
    });
    const paged = () => source.open({ elasticsearch: { ...source.config().elasticsearch, pageSize: 10 } });

    it('a search context lost in mid-listing is opened again: everything comes, once', async () => {
      const backend = await paged();
      const seen: (string | null)[] = [];
      for await (const { entry } of backend.list(under('list/'), { order: 'created', limit: 10, signal })) {
        seen.push(entry.path);
        if (seen.length === 5) source.dd.setFault('lostContext', true, { count: 1 });
      }
      expect(new Set(seen).size).toBe(25);
      expect(seen).toHaveLength(25);
      expect(source.dd.log().some(({ path, status }) => path === '/es/_search' && status === 404)).toBe(true);
    });

    it('never asks for more than the window of the server', async () => {
      source.dd.setFault('window10000', 10);
      expect(await listAll(await paged(), under('list/'), 10)).toHaveLength(25);
    });

    it.each([429, 503])('status %i is tried again', async (status) => {
      source.dd.setFault('esStatus', status, { count: 2 });
      expect(await listAll(await paged(), under('list/'))).toHaveLength(25);
    });

    it('a server that stays overloaded is an error of class retry, never a short list', async () => {
      const backend = await paged();
      await backend.productTypes();
      source.dd.setFault('esStatus', 503);
      await expect(listAll(backend)).rejects.toMatchObject({ class: 'retry', message: expect.stringContaining('503') });
    });

    it('a partial answer is asked for again, and an error when it stays partial', async () => {
      const backend = await paged();
      source.dd.setFault('partialShards', true, { count: 1 });
      expect(await listAll(backend, under('list/'))).toHaveLength(25);
      source.dd.setFault('partialShards', true);
      await expect(listAll(backend, under('list/'))).rejects.toMatchObject({ class: 'retry' });
    });

    it('totals as old servers give them are understood', async () => {
      source.dd.setFault('es6Totals', true);
      const health = await (await source.open()).check();
      expect(health).toEqual({
        ok: true,
        reason: expect.stringMatching(/^[1-9]\d* files of 3 object types under 3 aliases/),
      });
    });

    it('lists without a point in time where the site allows none', async () => {
      const elasticsearch = { ...source.config().elasticsearch, pageSize: 10, pointInTime: false };
      const before = source.dd.log().filter(({ path }) => path.endsWith('/_pit')).length;
      expect(await listAll(await source.open({ elasticsearch }), under('list/'))).toHaveLength(25);
      expect(source.dd.log().filter(({ path }) => path.endsWith('/_pit'))).toHaveLength(before);
    });

    it('asks for a folder by a prefix query on the aliases of the type, never by a scan', async () => {
      const backend = await source.open();
      await backend.productTypes();
      const before = source.dd.log().length;
      const filter = { all: [{ pathPrefix: 'list/f1' }, { productTypes: [kernel] }] };
      expect(await listAll(backend, { ...ALL, filter })).toHaveLength(11);
      const searches = source.dd
        .log()
        .slice(before)
        .filter(({ path }) => path.endsWith('/_search'));
      expect(searches.map(({ path }) => path)).toEqual([`/es/${source.dd.aliases[kernel]}/_search`]);
    });

    it('takes no value of a user for a part of a path or of query syntax', async () => {
      const backend = await source.open();
      const evil = ['../_all', '*', 'a,b', '_all/_search?q=', '"}}', '/list/*', 'list/f1*'];
      for (const text of evil) {
        const query = { ...ALL, filter: { all: [{ productTypes: [text] }] } };
        expect(await listAll(backend, query)).toEqual([]);
        expect(await listAll(backend, under(text))).toEqual([]);
        const ref = { domain: ['nasa', 'm2020', 'm2020-spice'], type: 'Product', key: text, version: 1 };
        expect(await backend.get([ref])).toEqual(['unknown']);
      }
      const paths = new Set(source.dd.log().map(({ path }) => path));
      for (const text of evil) for (const path of paths) expect(path).not.toContain(encodeURIComponent(text));
    });
  });

  describe('configuration', () => {
    const paths = (entries: readonly Entry[]) => entries.map((entry) => entry.path);

    it.each([
      ['s3', { s3: undefined }, /s3: is needed/],
      ['login', { login: undefined }, /login: is needed/],
      ['a login with two sources', { login: { family: 'csso', token: 'a', tokenFile: 'b' } }, /exactly one/],
      ['an unknown key', { elastic: {} }, /[Uu]nrecognized key/],
      ['a bad URL', { middleware: { url: 'ftp://x' } }, /middleware.url/],
    ])('refuses without or with wrong %s, naming the field', async (_, change, reason) => {
      await expect(source.open(change)).rejects.toMatchObject({
        code: 'Invalid',
        message: expect.stringMatching(reason),
      });
    });

    it('says in its health which alias, field and bucket do not resolve', async () => {
      const config = source.config();
      const noAlias = { elasticsearch: { ...config.elasticsearch, aliases: ['nothing-*'] } };
      expect((await (await source.open(noAlias)).check()).reason).toMatch(/no alias of the index fits/);
      expect((await (await source.open({ fields: { id: 'no_such_id' } })).check()).reason).toMatch(
        /no alias maps the field no_such_id/,
      );
      expect((await (await source.open({ fields: { created: 'no_time' } })).check()).reason).toMatch(
        /has no field no_time/,
      );
      const noBucket = { s3: { ...config.s3, buckets: ['no-such-bucket'] } };
      expect((await (await source.open(noBucket)).check()).reason).toMatch(/bucket no-such-bucket: does not exist/);
    });

    it('takes only the packages that are asked for', async () => {
      await source.put('/pkg/a.bc');
      const file = { package: 'm2020-spice-nc', fullName: '/pkg/b.bc', type: kernel, body: Buffer.from('b') };
      await source.dd.put({ ...file, metadata: { kernel_type: 'CK' } });
      expect(paths(await listAll(await source.open(), under('pkg/'))).sort()).toEqual(['pkg/a.bc', 'pkg/b.bc']);
      const only = await source.open({ packages: ['m2020-spice-nc'] });
      expect(paths(await listAll(only, under('pkg/')))).toEqual(['pkg/b.bc']);
      const domain = await listAll(await source.open(), {
        ...under('pkg/'),
        filter: { domain: ['nasa', 'm2020', 'm2020-spice'] },
      });
      expect(domain.every((entry) => entry.metadata.productRef.domain.at(-1) === 'm2020-spice')).toBe(true);
    });
  });
});
