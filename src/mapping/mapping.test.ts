import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mappingReference } from '../../docs/mapping-reference.js';
import { ATTRIBUTE_TYPES, type AttributeTypeName } from '../mal/index.js';
import { isMpdError } from '../mpd/index.js';
import {
  bundledMapping,
  checkConcepts,
  compileTransform,
  loadMapping,
  parseMapping,
  productMapper,
  type Raw,
  type TestReport,
  type Transform,
  toAttribute,
} from './index.js';

const root = join(import.meta.dirname, '../..');

const NS = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n;

describe('type groups', () => {
  it('name types of the table, and values of their attributes as declared', () => {
    const { products } = parseMapping(
      'title: t\nconcepts: []\nproducts: { types: [{ name: A, attributes: [{ name: x, type: Long, from: a }] }, { name: B }],' +
        ' groups: [{ name: G, description: both, types: [A, B] }, { name: H, types: [A], where: { x: [1, 2] } }] }',
      'site.yaml',
    );
    expect(productMapper(products).groups).toEqual([
      {
        name: 'G',
        description: 'both',
        members: [
          { type: 'A', attributeFilter: [] },
          { type: 'B', attributeFilter: [] },
        ],
      },
      {
        name: 'H',
        description: null,
        members: [
          {
            type: 'A',
            attributeFilter: [
              {
                type: 'ValueSet',
                name: 'x',
                include: true,
                values: [
                  { type: 'Long', value: 1n },
                  { type: 'Long', value: 2n },
                ],
              },
            ],
          },
        ],
      },
    ]);
  });
});

describe('transforms', () => {
  const cases: readonly (readonly [Transform, Raw, Raw | undefined])[] = [
    ['trim', '  a ', 'a'],
    ['lower', 'AbÉ', 'abé'],
    ['upper', ['a', 'b'], ['A', 'B']],
    ['first', ['a', 'b'], 'a'],
    ['last', ['a', 'b'], 'b'],
    ['first', [], undefined],
    [{ join: '|' }, ['a', 5], 'a|5'],
    [{ extract: '_([0-9]+)_' }, 'x_042_y', '042'],
    [{ extract: '[0-9]+' }, 'x_042_y', '042'],
    [{ extract: '[0-9]+' }, 'none', undefined],
    [{ replace: '-', by: '/' }, 'a-b-c', 'a/b/c'],
    [{ map: { A: 'alpha', '*': 'other' } }, 'A', 'alpha'],
    [{ map: { A: 'alpha', '*': 'other' } }, 'Z', 'other'],
    [{ map: { A: 'alpha' } }, 'Z', undefined],
    [{ map: {} }, 'constructor', undefined],
    [{ scale: 1000 }, '2.5', 2500],
    [{ scale: 1000 }, 'many', undefined],
    [{ base: 16 }, '0xFF', 255n],
    [{ base: 2 }, '102', undefined],
    [{ base: 36 }, '-z', -35n],
    [{ time: 'epoch-s' }, '1600000000.123456789', 1_600_000_000_123_456_789n],
    [{ time: 'epoch-ms' }, 1_600_000_000_123, 1_600_000_000_123_000_000n],
    [{ time: 'epoch-s' }, 'now', undefined],
    [{ time: 'calendar-digits' }, '2021-04-09T00-00-00Z', NS('2021-04-09T00:00:00Z')],
    [{ time: 'calendar-digits' }, '20210409', NS('2021-04-09T00:00:00Z')],
    [{ time: 'calendar-digits' }, '20210409T1530', NS('2021-04-09T15:30:00Z')],
    [{ time: 'calendar-digits' }, '20211309', undefined],
    [{ time: 'ordinal-digits' }, '2021_155_14_39_51', NS('2021-06-04T14:39:51Z')],
    [{ time: 'ordinal-digits' }, '2022130174153250', NS('2022-05-10T17:41:53.250Z')],
  ];
  const titled = cases.map((each) => [`${JSON.stringify(each[0])} of ${JSON.stringify(each[1])}`, ...each] as const);
  it.each(titled)('%s', (_title, transform, value, wanted) => {
    expect(compileTransform(transform)(value)).toEqual(wanted);
  });
});

describe('attributes', () => {
  type Plain = Exclude<AttributeTypeName, 'Blob' | 'ObjectRef'>;
  const types = ATTRIBUTE_TYPES.filter((type): type is Plain => type !== 'Blob' && type !== 'ObjectRef');

  it('are of the declared type and in its range, or nothing', () => {
    const raw = fc.oneof(fc.string(), fc.double(), fc.integer(), fc.bigInt(), fc.boolean(), fc.array(fc.string()));
    fc.assert(
      fc.property(fc.constantFrom(...types), raw, (type, value) => {
        const found = toAttribute(type, value);
        if (found === undefined) return;
        expect(found.type).toBe(type);
        if (type === 'UOctet') expect(found.value).toSatisfy((n: number) => Number.isInteger(n) && n >= 0 && n <= 255);
        if (type === 'Long') expect(found.value).toSatisfy((n: bigint) => n >= -(2n ** 63n) && n < 2n ** 63n);
      }),
    );
  });

  it('read whole numbers exactly, times by ISO 8601, and no number as a time', () => {
    expect(toAttribute('Long', '9223372036854775807')).toEqual({ type: 'Long', value: 2n ** 63n - 1n });
    expect(toAttribute('Long', '9223372036854775808')).toBeUndefined();
    expect(toAttribute('UShort', '70000')).toBeUndefined();
    expect(toAttribute('Integer', '1.5')).toBeUndefined();
    expect(toAttribute('Boolean', 'yes')).toEqual({ type: 'Boolean', value: true });
    expect(toAttribute('Time', '2021-099T01:02:03.5')).toEqual({ type: 'Time', value: NS('2021-04-09T01:02:03.500Z') });
    expect(toAttribute('Time', 5)).toBeUndefined();
    expect(toAttribute('Duration', 'PT1.5S')).toEqual({ type: 'Duration', value: 1_500_000_000n });
  });
});

const TABLE = `
title: test
concepts: []
products:
  common:
    created: [record.when, record.fallback]
    text: record.note
    claim: [{ algorithm: md5, from: record.md5 }]
    attributes:
      - { name: path, type: String, from: record.path }
  types:
    - name: Ignored
      when: [{ record.path: '^skip/' }]
      skip: true
    - name: Frame
      description: A frame
      when:
        - { record.path: '_(?<apid>[0-9A-F]+)_(?<stamp>[0-9]{13})[.]raw$', record.size: { present: true } }
        - { record.kind: { in: [frame, FRAME] } }
      created: { from: match.stamp, transform: [{ time: ordinal-digits }] }
      attributes:
        - { name: apid, type: UShort, from: match.apid, transform: [{ base: 16 }], unit: none, description: The process }
        - { name: quality, type: String, from: record.quality, default: unknown }
    - name: Frame
      when: [{ record.kind: { equals: late frame } }]
      attributes: [{ name: delay, type: Duration, from: record.delay }]
    - name: Rest
      mime: { value: text/plain }
`;

describe('products', () => {
  const mapper = productMapper(parseMapping(TABLE, 'test.yaml').products);
  const describeRecord = (record: Record<string, Raw>) =>
    mapper.describe((field) => (field.startsWith('record.') ? record[field.slice(7)] : undefined));

  it('takes the first type whose conditions hold, with what its pattern names', () => {
    expect(describeRecord({ path: 'tm/x_0A_2021099120000.raw', size: 5, note: 'n' })).toEqual({
      productType: 'Frame',
      created: NS('2021-04-09T12:00:00Z'),
      contentStart: null,
      contentEnd: null,
      source: null,
      description: 'n',
      fileName: null,
      mime: null,
      claim: null,
      attributes: [
        { name: 'path', value: { type: 'String', value: 'tm/x_0A_2021099120000.raw' } },
        { name: 'apid', value: { type: 'UShort', value: 10 } },
        { name: 'quality', value: { type: 'String', value: 'unknown' } },
      ],
      problems: [],
    });
    expect(describeRecord({ path: 'a', kind: 'FRAME' })?.productType).toBe('Frame');
    expect(describeRecord({ path: 'tm/x_0A_2021099120000.raw' })).toMatchObject({
      productType: 'Rest',
      mime: 'text/plain',
    });
    expect(describeRecord({ path: 'skip/me' })).toBeNull();
  });

  it('takes the first field that has a value, and says what it could not read', () => {
    const found = describeRecord({ path: 'a', fallback: '2021-04-09', md5: 'no hex' });
    expect(found).toMatchObject({
      created: NS('2021-04-09T00:00:00Z'),
      claim: null,
      problems: [expect.stringContaining('md5')],
    });
    const other = describeRecord({ path: 'a', when: 'yesterday', kind: 'late frame', delay: 'long' });
    expect(other).toMatchObject({ created: null, attributes: [{ name: 'path' }] });
    expect(other?.problems).toEqual(['delay: no Duration: "long"', 'created: not a time: "yesterday"']);
    const claimed = describeRecord({ path: 'a', md5: 'd41d8cd98f00b204e9800998ecf8427e' })?.claim;
    expect([claimed?.algorithm, claimed?.value.length]).toEqual(['md5', 16]);
  });

  it('declares each type once, with every attribute that some record of it may have', () => {
    expect(mapper.types.map(({ name }) => name)).toEqual(['Frame', 'Rest']);
    expect(mapper.type('Frame')).toMatchObject({
      description: 'A frame',
      attributeDefs: [
        { name: 'path', attributeType: 'STRING', units: null },
        { name: 'apid', attributeType: 'USHORT', units: 'none', description: 'The process' },
        { name: 'quality' },
        { name: 'delay', attributeType: 'DURATION' },
      ],
    });
  });

  it('says where an attribute comes from only when it is that field unchanged', () => {
    expect(mapper.origin('path')).toEqual({ field: 'record.path', type: 'String' });
    for (const name of ['apid', 'quality', 'absent']) expect(mapper.origin(name)).toBeNull();
  });
});

describe('the file', () => {
  const fault = (text: string): string => {
    try {
      parseMapping(text, 'site.yaml');
    } catch (error) {
      if (isMpdError(error, 'Invalid')) return error.message;
      throw error;
    }
    return 'accepted';
  };
  const types = (rest: string) => `title: t\nconcepts: []\nproducts: { types: [${rest}] }\n`;
  const groups = (rest: string) =>
    `title: t\nconcepts: []\nproducts: { types: [{ name: A, attributes: [{ name: x, type: Long, from: a }] }, { name: B }], groups: [${rest}] }\n`;

  it.each([
    ['title: [', /site\.yaml: /],
    ['title: t\nconcepts: []\n', /site\.yaml: products: /],
    [types(''), /products\.types: /],
    [types('{ name: A, colour: red }'), /products\.types\.0: .*colour/],
    [types("{ name: A, when: [{ a.b: '(' }] }"), /products\.types\.0\.when\.0\.a\.b: no RE2 pattern/],
    [types('{ name: A, attributes: [{ name: x, type: Text, from: a }] }'), /products\.types\.0\.attributes\.0\.type: /],
    [
      types('{ name: A, attributes: [{ name: x, type: Long, from: a }, { name: x, type: Long, from: b }] }'),
      /attributes\.1\.name: "x" appears twice/,
    ],
    [groups('{ name: A, types: [B] }'), /groups\.0\.name: "A" is the name of a type/],
    [groups('{ name: G, types: [A, C] }'), /groups\.0\.types\.1: there is no type "C"/],
    [groups('{ name: G, types: [A], where: { y: [1] } }'), /groups\.0\.where\.y: the type "A" has no attribute "y"/],
    [groups('{ name: G, types: [A], where: { x: [many] } }'), /groups\.0\.where\.x: not every value is a Long/],
    [
      types('{ name: A, created: { from: a, transform: [{ time: julian }] } }'),
      /products\.types\.0\.created\.transform\.0\.time: /,
    ],
    [
      'title: t\nconcepts: [{ id: a, table: T, concept: c, mpd: m, how: direct }]\nproducts: { types: [{ name: A }] }',
      /concepts\.0\.tests: "direct" needs a test.*concepts\.0\.module/,
    ],
    [
      'title: t\nconcepts: [{ id: a, table: T, concept: c, mpd: m, how: later }]\nproducts: { types: [{ name: A }] }',
      /concepts\.0\.notes: "later" needs a reason/,
    ],
  ])('with a fault in it is refused with file, path and reason: %j', (text, message) => {
    expect(fault(text)).toMatch(message);
  });

  it('that cannot be read is refused with its name', async () => {
    await expect(loadMapping('/no/such.yaml')).rejects.toThrow(/\/no\/such\.yaml: .*cannot be read/);
  });

  it('of the archive is sound, and every row says how it stands', async () => {
    const { concepts, products } = await loadMapping(bundledMapping('archive.yaml'));
    expect(concepts.length).toBeGreaterThan(20);
    expect(productMapper(products).types.map(({ name }) => name)).toContain('TelemetryPackets');
  });
});

describe('concept rows', () => {
  const concepts = [
    {
      id: 'a',
      table: 't',
      concept: 'c',
      mpd: 'm',
      how: 'direct',
      module: 'x',
      tests: { http: 'test/a.test.ts › works' },
    },
    {
      id: 'b',
      table: 't',
      concept: 'c',
      mpd: 'm',
      how: 'direct',
      module: 'x',
      tests: { http: 'test/a.test.ts › suite › works' },
    },
  ] as const;
  const report = (...tests: [suites: string[], title: string, status: string][]): TestReport => ({
    testResults: [
      {
        name: '/repo/test/a.test.ts',
        assertionResults: tests.map(([ancestorTitles, title, status]) => ({ ancestorTitles, title, status })),
      },
    ],
  });

  it('are proved by tests that were run and passed', () => {
    expect(checkConcepts(concepts, report([['suite'], 'works', 'passed']), '/repo')).toEqual([]);
  });

  it('are not proved by tests that are absent, failed or were skipped, also only in part', () => {
    const reasons = (...tests: Parameters<typeof report>) =>
      checkConcepts(concepts, report(...tests), '/repo').map(({ concept, reason }) => `${concept} ${reason}`);
    expect(reasons([[], 'works', 'passed'])).toEqual(['b absent']);
    expect(reasons([['suite'], 'works', 'failed'])).toEqual(['a failed', 'b failed']);
    expect(reasons([['suite'], 'works', 'pending'])).toEqual(['a skipped', 'b skipped']);
    expect(reasons([['suite'], 'works', 'passed'], [['other'], 'works', 'failed'])).toEqual(['a failed']);
    expect(checkConcepts(concepts, report([['suite'], 'works', 'passed']), '/elsewhere')).toHaveLength(2);
  });

  it('and product rules are what the reference page shows', async () => {
    const page = await readFile(join(root, 'docs/mapping-reference.md'), 'utf8');
    expect(page === (await mappingReference(root)), 'run: npx tsx docs/mapping-reference.ts').toBe(true);
  });
});
