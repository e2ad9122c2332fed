import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Entry } from '../../src/gateway/backend.js';
import type { TestStore } from '../../src/store/testing.js';
import type { ArchiveTables } from './tables.js';
import { archiveStore, follower, keyOf, listAll, openArchive, temporaryFolder } from './testing.js';

const dataset = join(import.meta.dirname, '../../../shared/datasets/m2020-spice');
const absent = !existsSync(dataset);

describe.skipIf(absent)(`the real Mars 2020 releases${absent ? ' (skipped: no ../shared/datasets)' : ''}`, () => {
  let store: TestStore<ArchiveTables>;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let backend: Backend;
  let changes: Awaited<ReturnType<typeof follower>>;

  beforeAll(async () => {
    store = await archiveStore();
    folder = await temporaryFolder();
    backend = await openArchive(store, folder.path, { settle: 300 });
    changes = await follower(backend);
  });
  afterAll(async () => {
    await backend?.close();
    await store?.close();
    await folder?.remove();
  });

  const lay = (release: number) => cp(join(dataset, `release${release}`), folder.path, { recursive: true });
  const entryOf = async (key: string): Promise<Entry> => {
    const entry = (await listAll(backend)).find(({ metadata }) => metadata.productRef.key === key);
    if (entry === undefined) throw new Error(`${key} is not listed`);
    return entry;
  };

  const releases = [
    { release: 1, listed: 12, fresh: 12, updated: 0 },
    { release: 2, listed: 25, fresh: 13, updated: 7 },
    { release: 3, listed: 36, fresh: 11, updated: 15 },
  ];
  it.each(releases)(
    'lays release $release: $fresh new, $updated updated',
    async ({ release, listed, fresh, updated }) => {
      await lay(release);
      const seen = await changes.until((all) => {
        const told = new Set(all.filter(({ kind }) => kind === 'new' || kind === 'updated').map(keyOf));
        return told.size >= fresh + updated;
      });
      const told = (kind: string) => seen.filter((change) => change.kind === kind).map(keyOf);
      expect(new Set(told('new')).size).toBe(fresh);
      expect(told('new')).toHaveLength(fresh);
      expect(told('updated')).toHaveLength(updated);
      expect(told('removed')).toEqual([]);
      const entries = await listAll(backend);
      expect(entries).toHaveLength(listed);
      for (const entry of entries) {
        const bytes = await readFile(join(folder.path, entry.metadata.productRef.key));
        expect(Buffer.from(entry.metadata.checksum!)).toEqual(createHash('sha256').update(bytes).digest());
      }
    },
  );

  it('takes type, times and claim of a kernel from its label', async () => {
    const { metadata, claim } = await entryOf('spice_kernels/m2020_168_sclkscet_refit_v01.tsc');
    expect(metadata.productType.name).toBe('SpiceKernel');
    expect(metadata.contentDate).toEqual({
      start: BigInt(Date.parse('2020-07-30T12:51:34Z')) * 1_000_000n,
      end: BigInt(Date.parse('2050-01-01T00:00:00Z')) * 1_000_000n,
    });
    expect(metadata.creationDate).toBe(BigInt(Date.parse('2021-08-20T11:52:01Z')) * 1_000_000n);
    expect(metadata.attributes).toContainEqual({ name: 'kernelType', value: { type: 'String', value: 'SCLK' } });
    expect(claim?.algorithm).toBe('md5');
    expect(Buffer.from(claim!.value).toString('hex')).toBe('4c82d1c7e11f9d2e00417676790fa4dc');
  });
});

describe.skipIf(absent)(`release 1 on its own${absent ? ' (skipped: no ../shared/datasets)' : ''}`, () => {
  it('hands on the claim of every label, also the one that is wrong in the real data', async () => {
    const store = await archiveStore();
    const backend = await openArchive(store, join(dataset, 'release1'));
    try {
      await follower(backend);
      const wrong: string[] = [];
      let right = 0;
      for (const { metadata, claim } of await listAll(backend)) {
        if (claim === null) continue;
        const bytes = await readFile(join(dataset, 'release1', metadata.productRef.key));
        const is = createHash(claim.algorithm).update(bytes).digest().equals(claim.value);
        if (is) right++;
        else wrong.push(metadata.productRef.key);
      }
      expect(wrong).toEqual(['spice_kernels/collection_spice_kernels_inventory_v001.csv']);
      expect(right).toBe(5);
    } finally {
      await backend.close();
      await store.close();
    }
  });
});
