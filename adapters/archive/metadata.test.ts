import { existsSync } from 'node:fs';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend, Entry } from '../../src/gateway/backend.js';
import { parseTime } from '../../src/mal/index.js';
import type { TestStore } from '../../src/store/testing.js';
import type { ArchiveTables } from './tables.js';
import { archiveStore, follower, keyOf, listAll, openArchive, put, temporaryFolder } from './testing.js';

const shared = join(import.meta.dirname, '../../../shared');
const samples = join(shared, 'samples/packets');
const kernels = join(shared, 'datasets/m2020-spice/release1/spice_kernels');
const noSamples = existsSync(samples) ? '' : ' (skipped: no ../shared/samples)';
const noKernels = existsSync(kernels) ? '' : ' (skipped: no ../shared/datasets)';

let store: TestStore<ArchiveTables>;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let root: string;
let backend: Backend;

beforeAll(async () => {
  store = await archiveStore();
});
afterAll(() => store.close());
beforeEach(async () => {
  folder = await temporaryFolder();
  root = folder.path;
});
afterEach(async () => {
  await backend.close();
  for (const table of ['archive_state', 'archive_file', 'archive_fact'] as const)
    await store.db.deleteFrom(table).execute();
  await folder.remove();
});

const entry = async (key: string): Promise<Entry> => {
  const found = (await listAll(backend)).find(({ metadata }) => metadata.productRef.key === key);
  if (found === undefined) throw new Error(`${key} is not listed`);
  return found;
};

const attributes = ({ metadata }: Entry): Record<string, unknown> =>
  Object.fromEntries((metadata.attributes ?? []).map(({ name, value }) => [name, value?.value]));

describe.skipIf(noSamples !== '')(`real packet files${noSamples}`, () => {
  it('tell processes, packets, gaps and, where their time code is known, times', async () => {
    const jpss = 'J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1';
    const cygnss = 'CYGNSS_F7_L0_2022_086_10_15_V01_F__first101pkts.tlm';
    for (const name of [jpss, cygnss]) await copyFile(join(samples, name), join(root, name));
    backend = await openArchive(store, root);
    await follower(backend);
    const timed = await entry(jpss);
    expect(timed.metadata.productType.name).toBe('TelemetryPackets');
    expect(attributes(timed)).toMatchObject({ apids: '11', apid: 11, packets: 7200n, gaps: 0n, problems: 0n });
    expect(timed.metadata.contentDate).toEqual({
      start: parseTime('2021-04-09T00:00:00.007137Z'),
      end: parseTime('2021-04-09T01:59:59.005260Z'),
    });
    const untimed = await entry(cygnss);
    expect(attributes(untimed)).toMatchObject({ apids: '384,386,391,392,393,394,1313', packets: 101n });
    expect(attributes(untimed).gaps).toSatisfy((gaps: bigint) => gaps > 0n);
    const { contentDate, creationDate } = untimed.metadata;
    expect(contentDate).toEqual({ start: creationDate, end: creationDate });
  });

  it('are read with the prefix that the mapping of the site tells', async () => {
    const name = 'suda_sciData_2022_130_17_41_53.spl';
    await copyFile(join(samples, name), join(root, name));
    const mapping = join(root, '.mapping.yaml');
    await writeFile(
      mapping,
      `
title: SUDA
concepts: []
readers: { packets: [{ files: ['suda_*.spl'], prefix: 60f06060 }] }
products:
  types:
    - name: Science
      when: [{ file.name: '_(?<when>[0-9]{4}(?:_[0-9]+){4})[.]spl$' }]
      created: { from: match.when, transform: [{ time: ordinal-digits }] }
      attributes:
        - { name: apid, type: UShort, from: packets.apids }
        - { name: count, type: UInteger, from: packets.count }
`,
    );
    backend = await openArchive(store, root, { mapping });
    await follower(backend);
    const found = await entry(name);
    expect(attributes(found)).toEqual({ apid: 1425, count: 13 });
    expect(found.metadata.creationDate).toBe(parseTime('2022-05-10T17:41:53Z'));
  });
});

describe('side-cars', () => {
  it('describe their file, in JSON or YAML, are products themselves, and may come later or go', async () => {
    await put(root, 'a.dat', 'a', 1_600_000_000);
    backend = await openArchive(store, root);
    const changes = await follower(backend);
    const before = await entry('a.dat');
    await put(
      root,
      'a.dat.yaml',
      'source: planning\ndescription: first\ncreationDate: 2021-04-09T00:00:00Z\ncontentDate: { start: 2021-04-01, end: 2021-04-02 }\n',
    );
    const told = (await changes.next(2)).map((change) => `${change.kind} ${keyOf(change)}`);
    expect(told.sort()).toEqual(['new a.dat.yaml', 'touched a.dat']);
    const after = await entry('a.dat');
    expect([after.revision, after.metadata.productRef]).toEqual([before.revision, before.metadata.productRef]);
    expect(after.metadata).toMatchObject({
      source: 'planning',
      description: 'first',
      creationDate: parseTime('2021-04-09'),
      contentDate: { start: parseTime('2021-04-01'), end: parseTime('2021-04-02') },
    });
    await rm(join(root, 'a.dat.yaml'));
    await changes.next(2);
    expect(await entry('a.dat')).toEqual(before);
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[1]'],
    ['times that are none', '{"creationDate": "yesterday", "contentDate": {"start": 5}}'],
    ['a reversed period', '{"contentDate": {"start": "2021-04-02", "end": "2021-04-01"}}'],
    ['NUL and half surrogate pairs', '{"description": "a\\u0000b\\ud800c", "x\\u0000": "\\\\u0000"}'],
    ['keys of the prototype', '{"__proto__": {"source": "evil"}, "constructor": {"name": "x"}}'],
    ['the largest times', '{"contentDate": {"start": "1677-09-22", "end": "2262-04-11T23:47:16.854775807Z"}}'],
  ])('with %s harm nobody', async (_what, text) => {
    await put(root, 'a.dat', 'a');
    await put(root, 'a.dat.json', text);
    backend = await openArchive(store, root);
    await follower(backend);
    const { metadata } = await entry('a.dat');
    expect(metadata.contentDate.start <= metadata.contentDate.end).toBe(true);
    expect(metadata.source).toBeNull();
    const content = { start: 0n, end: 4_000_000_000_000_000_000n };
    expect((await listAll(backend, { content })).map((one) => one.metadata.productRef.key)).toContain('a.dat');
  });

  it('tell a checksum that is checked on delivery', async () => {
    await put(root, 'a.dat', 'a');
    await put(root, 'a.dat.json', JSON.stringify({ md5: '0cc175b9c0f1b6a831c399e269772661' }));
    backend = await openArchive(store, root);
    await follower(backend);
    const { claim } = await entry('a.dat');
    expect([claim?.algorithm, Buffer.from(claim!.value).toString('hex')]).toEqual([
      'md5',
      '0cc175b9c0f1b6a831c399e269772661',
    ]);
  });
});

describe.skipIf(noKernels !== '')(`real labels${noKernels}`, () => {
  const data = 'm2020_168_sclkscet_refit_v01.tsc';
  const label = 'm2020_168_sclkscet_refit_v01.xml';

  it('that come after their file touch it; when they go it is a plain file again', async () => {
    await put(root, `k/${data}`, await readFile(join(kernels, data)));
    await put(root, 'keep.txt', 'k');
    backend = await openArchive(store, root);
    const changes = await follower(backend);
    const before = await entry(`k/${data}`);
    expect([before.metadata.productType.name, before.claim]).toEqual(['File', null]);
    await put(root, `k/${label}`, await readFile(join(kernels, label)));
    const told = (await changes.next(2)).map((change) => `${change.kind} ${keyOf(change)}`);
    expect(told.sort()).toEqual([`new k/${label}`, `touched k/${data}`]);
    const after = await entry(`k/${data}`);
    expect(after.metadata.productType.name).toBe('SpiceKernel');
    expect(after.claim?.algorithm).toBe('md5');
    expect(after.revision).toBe(before.revision);
    expect((await entry(`k/${label}`)).metadata.productType.name).toBe('Label');
    await rm(join(root, `k/${label}`));
    await changes.next(2);
    expect(await entry(`k/${data}`)).toEqual(before);
  });

  it('are no products where the mapping says so, and still describe their files', async () => {
    await put(root, data, await readFile(join(kernels, data)));
    await put(root, label, await readFile(join(kernels, label)));
    await put(root, 'other.xml', '<other/>');
    const mapping = join(root, '.mapping.yaml');
    await writeFile(
      mapping,
      'title: t\nconcepts: []\nreaders: { labels: { files: ["*.xml"], products: false } }\nproducts: { types: [{ name: Plain, text: label.title }] }\n',
    );
    backend = await openArchive(store, root, { mapping });
    await follower(backend);
    expect((await listAll(backend)).map(({ metadata }) => metadata.productRef.key).sort()).toEqual(
      [data, 'other.xml'].sort(),
    );
    expect((await entry(data)).metadata.description).toBe(data);
  });
});
