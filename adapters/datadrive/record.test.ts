import { describe, expect, it } from 'vitest';
import { dataDriveConfig } from './config.js';
import { parseEvent } from './feed-event.js';
import { numberOf, placeIn, textOf, timeOf } from './record.js';
import { readFields, ruleFor } from './schema.js';

const { fields: names } = dataDriveConfig({
  ...{ id: 'x', domain: [], elasticsearch: { url: 'http://localhost' }, s3: { buckets: ['b'] } },
  fields: { name: 'file_name' },
});

describe('times of the index', () => {
  it.each([
    ['2021-08-21T02:30:24Z', 1629513024000000000n],
    ['2021-08-21T02:30:24.474Z', 1629513024474000000n],
    ['2021-08-21T02:30:24.474123Z', 1629513024474123000n],
    ['2021-233T02:30:24.47400', 1629513024474000000n],
    ['2021-08-21T04:30:24+02:00', 1629513024000000000n],
    ['2021-08-21', 1629504000000000000n],
    [1629513024474, 1629513024474000000n],
    ['1629513024474', 1629513024474000000n],
    [-1, -1000000n],
  ])('%j is understood', (value, expected) => {
    expect(timeOf(value)).toBe(expected);
  });

  it.each(['', 'yesterday', '2021-13-01T00:00:00Z', null, {}, Number.NaN, true])('%j is no time', (value) => {
    expect(timeOf(value)).toBeNull();
  });
});

describe('values of a document', () => {
  const table = readFields({
    coverage: { type: 'date_range' },
    times: { type: 'date' },
    label: { properties: { A: { properties: { B: { type: 'text', fields: { keyword: { type: 'keyword' } } } } } } },
    footprint: { type: 'geo_shape' },
  });
  const place = placeIn(table, names);
  const read = (document: Record<string, unknown>) => (field: string) => place(field)(document);

  it('are found under dotted keys and inside objects, also in lists of them', () => {
    expect(read({ 'label.A.B': 'flat' })('label.A.B')).toBe('flat');
    expect(read({ label: { 'A.B': 'half' } })('label.A.B')).toBe('half');
    expect(read({ label: { A: { B: 'deep' } } })('label.A.B')).toBe('deep');
    expect(read({ label: { A: [{ B: 'one' }, {}, { B: 'two' }] } })('label.A.B')).toEqual(['one', 'two']);
    expect(read({ label: { A: {} } })('label.A.B')).toBeUndefined();
  });

  it('are times in date fields and in the ends of date ranges, also in lists', () => {
    const second = 1_000_000_000n;
    expect(read({ coverage: { gte: '1970-01-01T00:00:01Z', lte: 2000 } })('coverage.lte')).toBe(2n * second);
    expect(read({ times: ['1970-01-01T00:00:01Z', 'nonsense'] })('times')).toEqual([second]);
    expect(read({ unknown: { gte: '1970-01-01T00:00:01Z' } })('unknown.gte')).toBeUndefined();
  });

  it('are JSON text for geometries, and nothing for null and for what every object has', () => {
    expect(read({ footprint: { type: 'Point', coordinates: [1, 2] } })('footprint')).toBe(
      '{"type":"Point","coordinates":[1,2]}',
    );
    expect(read({ footprint: null })('footprint')).toBeUndefined();
    for (const name of ['constructor', 'toString', '__proto__']) expect(read({})(name)).toBeUndefined();
  });

  it('are read under the names of the site', () => {
    expect(read({ file_name: 'a.bc', ocs_name: 'other' })('ocs_name')).toBe('a.bc');
    expect([textOf({ a: ['x', 'y'] }, 'a'), textOf({ a: {} }, 'a')]).toEqual(['x', null]);
    expect([numberOf({ a: '12' }, 'a'), numberOf({ a: -1 }, 'a')]).toEqual([12, null]);
  });
});

describe('attributes of an object type', () => {
  it('come from the index mapping and its JSON Schema; system and nested fields are left out', () => {
    const table = readFields({
      ocs_name: { type: 'keyword' },
      kind: { type: 'keyword' },
      version: { type: 'long' },
      ratio: { type: 'float' },
      exact: { type: 'double' },
      flag: { type: 'boolean' },
      at: { type: 'date_nanos' },
      taken: { type: 'keyword' },
      coverage: { type: 'date_range' },
      inner: { type: 'nested', properties: { a: { type: 'keyword' } } },
    });
    const properties = { taken: { format: 'date-time', description: 'When it was taken' } };
    const rule = ruleFor('image', table, new Set(['ocs_name']), { name: 'image', schema: { properties } });
    expect(rule.attributes.map(({ name, type, description }) => [name, type, description])).toEqual([
      ['kind', 'String', undefined],
      ['version', 'Long', undefined],
      ['ratio', 'Double', undefined],
      ['exact', 'Double', undefined],
      ['flag', 'Boolean', undefined],
      ['at', 'FineTime', undefined],
      ['taken', 'FineTime', 'When it was taken'],
      ['coverage.gte', 'Time', undefined],
      ['coverage.lte', 'Time', undefined],
    ]);
  });
});

describe('messages of the feed', () => {
  const removed = ['OBJ_REMOVED_DELETED'];
  const event = { dataset_id: 'a', package_dataset_event: 'OCS object indexed', s3_object_changed: 'false' };

  it('are events of a file, or removals by the names configured', () => {
    expect(parseEvent(JSON.stringify(event), removed)).toEqual({ id: 'a', removed: false });
    const gone = { ...event, package_dataset_event: 'OBJ_REMOVED_DELETED' };
    expect(parseEvent(JSON.stringify(gone), removed)).toEqual({ id: 'a', removed: true });
  });

  it.each([
    '',
    'text',
    '[]',
    'null',
    '{"upload_status":"done","failed":"true"}',
    '{"dataset_id":"","package_dataset_event":"x"}',
  ])('ignore %s', (text) => {
    expect(parseEvent(text, removed)).toBeNull();
  });
});
