import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DataDriveSimulator, startDataDriveSimulator } from '../../simulators/datadrive/index.js';
import type { Backend, BackendQuery, Entry } from '../../src/gateway/backend.js';
import { compileTree } from '../../src/mpd/filter/index.js';
import type { AttributeFilter } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { configFor, dataDriveStore, openDataDrive } from '../../test/datadrive/backend.js';
import { describeWithService, unique } from '../../test/services/index.js';
import { plainPattern } from './pattern.js';
import type { DataDriveTables } from './tables.js';

describe('a plain pattern', () => {
  it.each([
    ['abc', { text: 'abc', fromStart: false, toEnd: false }],
    ['^/a/b$', { text: '/a/b', fromStart: true, toEnd: true }],
    ['_v1\\.0\\.tm$', { text: '_v1.0.tm', fromStart: false, toEnd: true }],
    ['^a', { text: 'a', fromStart: true, toEnd: false }],
    ['\\$', { text: '$', fromStart: false, toEnd: false }],
    ['🛰', { text: '🛰', fromStart: false, toEnd: false }],
    ['a.c', null],
    ['^a|b', null],
    ['(?i)a', null],
    ['\\d', null],
    ['a\\', null],
    ['a$b', null],
    ['^', null],
    ['^$', null],
    ['', null],
  ])('%j is %j', (regex, plain) => expect(plainPattern(regex)).toEqual(plain));
});

const NUMBERS = [
  ...[0, 0.1, -0.1, 1 / 3, 0.3, 0.30000000000000004, 1, 1.0000001, 1.00000001, 16_777_216, 16_777_217, -16_777_217],
  ...[123_456.789, 3.4e38, -3.4e38, 1e-45, 1e-40, 1e-300, 5e-324, 2.5, 7],
];
const TEXTS = [
  ...['alpha', 'alphabet', 'an alpha', 'al*pha', 'al?pha', 'al\\pha', 'ALPHA', 'x', '5', '5.0', '1e21', 'v1.0', 'v1x0'],
  ...['', ' ', 'a\nb', 'é', '漢字 alpha', '🛰', '$', '^x', 'x'.repeat(300), `${'y'.repeat(300)}alpha`],
];

for (const server of ['elasticsearch', 'elasticsearch7', 'opensearch'] as const)
  await describeWithService([server, 'versitygw'], 'DataDrive: what is pushed down', (index, s3) => {
    let dd: DataDriveSimulator;
    let store: TestStore<DataDriveTables>;
    let backend: Backend;
    let all: readonly Entry[];

    const list = async (filter: BackendQuery['filter']): Promise<readonly Entry[]> => {
      const entries: Entry[] = [];
      const query = { filter, created: null, content: null, updated: null };
      const options = { order: 'created', limit: 1000, signal: new AbortController().signal } as const;
      for await (const { entry } of backend.list(query, options)) entries.push(entry);
      return entries;
    };
    const keys = (entries: readonly Entry[]) => entries.map(({ metadata }) => metadata.productRef.key).sort();

    beforeAll(async () => {
      dd = await startDataDriveSimulator({
        search: { url: index.url },
        s3: { endpoint: s3.url, accessKeyId: s3.username ?? '', secretAccessKey: s3.password ?? '' },
        prefix: `${unique('ddp')}-`,
        objectTypes: [
          {
            name: 'measured',
            schema: {
              type: 'object',
              properties: {
                single: { type: 'number', format: 'float' },
                note: { type: 'string' },
                // text, with a keyword part that takes up to 256 characters
                comment: { type: 'string' },
              },
            },
          },
        ],
      });
      store = await dataDriveStore();
      const count = Math.max(NUMBERS.length, TEXTS.length);
      await Promise.all(
        Array.from({ length: count }, (_, n) => {
          const text = TEXTS[n % TEXTS.length] ?? '';
          const metadata = { single: NUMBERS[n % NUMBERS.length], note: n === 7 ? 5 : text, comment: text };
          const file = { package: 'm2020-spice', fullName: `/p/${n}`, type: 'measured' };
          return dd.put({ ...file, body: Buffer.from(String(n)), metadata });
        }),
      );
      backend = await openDataDrive(store, configFor(dd, s3));
      all = await list(null);
      expect(all).toHaveLength(count);
    });
    afterAll(async () => {
      await backend?.close();
      await store?.close();
      await dd?.stop({ destroy: true });
    });

    const filters = (): fc.Arbitrary<AttributeFilter> => {
      const number = fc
        .tuple(fc.constantFrom(...NUMBERS), fc.constantFrom(0, 1e-9, -1e-9, 1e-6, -1e-6))
        .map(([value, by]) => ({ type: 'Double', value: value + by * Math.abs(value) }) as const);
      const text = fc.constantFrom(...TEXTS).chain((of) => {
        const points = [...of.slice(0, 40), ...[...of].slice(-8)];
        return fc
          .tuple(fc.nat(points.length), fc.integer({ min: 1, max: 8 }))
          .map(([at, length]) => points.slice(at, at + length).join(''));
      });
      const escaped = text.map((part) => part.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&'));
      const name = fc.constantFrom('note', 'comment');
      return fc.oneof(
        fc.record({
          type: fc.constant('ValueRange' as const),
          name: fc.constant('single'),
          include: fc.constant(true),
          minimum: fc.option(number, { nil: null }),
          maximum: fc.option(number, { nil: null }),
        }),
        fc.record({
          type: fc.constant('ValueSet' as const),
          name: fc.constant('single'),
          include: fc.boolean(),
          values: fc.array(number, { maxLength: 3 }),
        }),
        fc
          .record({ name, part: escaped, start: fc.boolean(), end: fc.boolean(), include: fc.boolean() })
          .map(({ part, start, end, ...rest }): AttributeFilter => {
            const regex = `${start ? '^' : ''}${part}${end ? '$' : ''}`;
            return { type: 'StringPattern', ...rest, regex };
          }),
      );
    };
    const inFilter = (one: AttributeFilter) =>
      ({ filter: { productType: null, domain: null, sources: null, attributeFilter: [one] } }) as const;

    it('numbers of single precision and plain patterns find, refined, what the exact filter finds', async () => {
      let found = 0;
      await fc.assert(
        fc.asyncProperty(filters(), async (one) => {
          const tree = inFilter(one);
          const accepts = compileTree(tree);
          const exact = ({ metadata, path }: Entry): boolean => accepts(metadata, path);
          const wanted = keys(all.filter(exact));
          expect(keys((await list(tree)).filter(exact))).toEqual(wanted);
          found += wanted.length;
        }),
        { numRuns: 300, seed: 11 },
      );
      expect(found).toBeGreaterThan(100);
    });

    it.each([
      ['a range of single precision', { type: 'ValueRange', name: 'single', minimum: 2, maximum: 8 }, 3],
      ['a text anywhere', { type: 'StringPattern', name: 'note', regex: 'lpha' }, 6],
      ['a text at the end', { type: 'StringPattern', name: 'note', regex: 'alpha$' }, 5],
      ['a whole text', { type: 'StringPattern', name: 'note', regex: '^alpha$' }, 1],
      ['a text with the signs of a wildcard', { type: 'StringPattern', name: 'note', regex: 'al\\*pha' }, 1],
    ] as const)('%s is asked of the index, which sends no more than that', async (_, one, most) => {
      const attribute = (value: number) => ({ type: 'Double', value }) as const;
      const filter: AttributeFilter =
        one.type === 'ValueRange'
          ? { ...one, include: true, minimum: attribute(one.minimum), maximum: attribute(one.maximum) }
          : { ...one, include: true };
      const got = await list(inFilter(filter));
      expect(got.length).toBeGreaterThan(0);
      expect(got.length).toBeLessThanOrEqual(most);
    });
  });
