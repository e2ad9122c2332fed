import { beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/gateway/backend.js';
import { kernel, listAll, one, signal, testSource, textOf, under } from '../../test/datadrive/source.js';
import { describeWithService } from '../../test/services/index.js';

const attributeOf = (entry: Entry | undefined, name: string): unknown =>
  entry?.metadata.attributes?.find((attribute) => attribute.name === name)?.value;

await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive backend and faults of the source', (index, s3) => {
  const source = testSource(index, s3);

  describe('documents', () => {
    it('arrays, missing fields, day-of-year times, multipart ETags and odd names are listed and read', async () => {
      const metadata = { kernel_type: 'CK', mission: 'mars2020', label_time: '2021-08-20T11:52:01.000Z' };
      source.dd.setFault('arrayValues', true, { count: 1 });
      await source.put('/doc/array.bc', 'a', metadata);
      source.dd.setFault('missingFields', true, { count: 1 });
      await source.put('/doc/missing.bc', 'b', metadata);
      source.dd.setFault('doyTimes', true, { count: 1 });
      await source.put('/doc/doy.bc', 'c', metadata);
      source.dd.setFault('multipartEtag', true, { count: 1 });
      await source.put('/doc/multipart.bc', 'd', metadata);
      const backend = await source.open();
      const byPath = new Map((await listAll(backend, under('doc/'))).map((entry) => [entry.path, entry]));
      expect(attributeOf(byPath.get('doc/array.bc'), 'mission')).toEqual({ type: 'String', value: 'mars2020' });
      expect(attributeOf(byPath.get('doc/missing.bc'), 'mission')).toBeUndefined();
      expect(attributeOf(byPath.get('doc/doy.bc'), 'label_time')).toEqual({
        type: 'String',
        value: '2021-232T11:52:01.00000',
      });
      expect(byPath.get('doc/multipart.bc')).toMatchObject({ revision: expect.stringMatching(/-1:1$/), claim: null });
      for (const [path, entry] of byPath) expect([path, (await textOf(backend, entry)).length]).toEqual([path, 1]);
      source.dd.setFault('oddNames', true, { count: 1 });
      await source.dd.load(new URL('.', import.meta.url).pathname, { type: 'm2020-spice-inventory' });
      const odd = await listAll(backend, under('odd/'));
      expect(odd).toHaveLength(7);
      for (const entry of odd) expect(await textOf(backend, entry)).toBe(`/${entry.path}`);
    });

    it('a time of the index and a claim of a type field become MPD values', async () => {
      const md5 = '9a0364b9e99bb480dd25e1f0284c8555';
      const coverage = { gte: '2021-08-21T02:30:24.474', lte: '2021-12-23T10:20:29.667Z' };
      await source.put('/doc/full.bc', 'content', { kernel_type: 'CK', md5, coverage, product_version: 3 });
      const entry = await one(await source.open(), 'doc/full.bc');
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
        await source.put('/dup/same.bc', 'first');
        source.dd.setFault('duplicateNames', true, { count: 1 });
        const { ocs_dataset_id } = await source.put('/dup/same.bc', 'second');
        await source.put('/dup/single.bc', 'single');
        const file = { package: 'm2020-spice-nc', fullName: '/dup/same.bc', type: kernel, body: Buffer.from('other') };
        const other = await source.dd.put({ ...file, metadata: { kernel_type: 'CK' } });
        ids = [ocs_dataset_id, other.document.ocs_dataset_id];
      });
      const named = (entries: readonly Entry[]) =>
        entries.filter(({ fileName }) => fileName === 'same.bc').map(({ metadata }) => metadata.productRef.key);

      it('the newest is the product, in each package; the other is not there', async () => {
        const backend = await source.open({ elasticsearch: { ...source.config().elasticsearch, pageSize: 10 } });
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
        expect(named(await listAll(await source.open({ duplicates: 'all' }), under('dup/')))).toHaveLength(3);
      });
    });

    it('reads no bucket that is not listed', async () => {
      await source.put('/bucket/a.bc');
      const backend = await source.open({ s3: { ...source.config().s3, buckets: ['another-bucket'] } });
      await expect(textOf(backend, await one(backend, 'bucket/'))).rejects.toMatchObject({
        ...{ code: 'Unknown', class: 'refuse', message: expect.stringContaining('not among those that are read') },
      });
    });
  });
});
