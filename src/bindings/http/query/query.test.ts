import { describe, expect, it } from 'vitest';
import { orbits, packets } from '../../../../test/http/fake-gateway.js';
import { MAX_TIME, MIN_TIME, parseTime } from '../../../mal/index.js';
import { isMpdError, type ProductType } from '../../../mpd/index.js';
import { parseAttributeFilter } from './attributes.js';
import { parseInterval } from './interval.js';
import { parseQuery, repeatable, textParam, waitParam } from './params.js';

const t = parseTime;
const fault = (work: () => unknown): { field: string | undefined; message: string } => {
  try {
    work();
  } catch (error) {
    if (isMpdError(error, 'Invalid')) return { field: error.field, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('an interval', () => {
  it.each([
    ['2026-01-01/2026-01-02', t('2026-01-01'), t('2026-01-02')],
    ['2026-01-01T12:00:00.123456789Z/2026-327', t('2026-01-01T12:00:00.123456789Z'), t('2026-11-23')],
    ['2026-01-01/..', t('2026-01-01'), MAX_TIME],
    ['2026-01-01/', t('2026-01-01'), MAX_TIME],
    ['../2026-01-01', MIN_TIME, t('2026-01-01')],
    ['/2026-01-01', MIN_TIME, t('2026-01-01')],
    ['../..', MIN_TIME, MAX_TIME],
    ['2026-01-01/P1DT12H', t('2026-01-01'), t('2026-01-02T12:00:00Z')],
    ['PT30M/2026-01-01', t('2025-12-31T23:30:00Z'), t('2026-01-01')],
    ['2026-01-01', t('2026-01-01'), t('2026-01-01')],
    ['2026-01-01/2026-01-01', t('2026-01-01'), t('2026-01-01')],
  ])('%s', (text, start, end) => {
    expect(parseInterval(text, 'created')).toEqual({ start, end });
  });

  it.each([
    '',
    'a/b',
    '2026-01-01/2026-01-02/2026-01-03',
    '2026-01-02/2026-01-01',
    'P1D/P1D',
    '../P1D',
    'P1D/..',
    'P1M/2026-01-01',
    '2026-01-01/-P1D',
  ])('refuses %j', (text) => {
    expect(fault(() => parseInterval(text, 'created')).field).toBe('created');
  });
});

describe('an attribute filter', () => {
  const read = (name: string, text: string, types: readonly ProductType[] = [packets, orbits]) =>
    parseAttributeFilter(name, text, types, `attr.${name}`);
  const uint = (value: number) => ({ type: 'UInteger', value });
  const text = (value: string) => ({ type: 'String', value });

  it.each([
    ['apid', '100..200', { type: 'ValueRange', include: true, minimum: uint(100), maximum: uint(200) }],
    ['apid', '100..', { type: 'ValueRange', include: true, minimum: uint(100), maximum: null }],
    ['apid', '..200', { type: 'ValueRange', include: true, minimum: null, maximum: uint(200) }],
    ['apid', '!100..200', { type: 'ValueRange', include: false, minimum: uint(100), maximum: uint(200) }],
    ['apid', '1,2', { type: 'ValueSet', include: true, values: [uint(1), uint(2)] }],
    ['apid', '-1', { type: 'ValueSet', include: true, values: [{ type: 'Long', value: -1n }] }],
    ['apid', '1.5', { type: 'ValueSet', include: true, values: [{ type: 'Double', value: 1.5 }] }],
    ['station', 'Kourou', { type: 'ValueSet', include: true, values: [text('Kourou')] }],
    ['station', '!a,b', { type: 'ValueSet', include: false, values: [text('a'), text('b')] }],
    ['station', 'a\\,b\\\\', { type: 'ValueSet', include: true, values: [text('a,b\\')] }],
    ['station', '\\!a', { type: 'ValueSet', include: true, values: [text('!a')] }],
    ['station', '\\~a', { type: 'ValueSet', include: true, values: [text('~a')] }],
    ['station', 'a\\..b', { type: 'ValueSet', include: true, values: [text('a..b')] }],
    ['station', '', { type: 'ValueSet', include: true, values: [text('')] }],
    ['station', '~^K.*, \\d', { type: 'StringPattern', include: true, regex: '^K.*, \\d' }],
    ['station', '!~x', { type: 'StringPattern', include: false, regex: 'x' }],
    ['good', 'true', { type: 'ValueSet', include: true, values: [{ type: 'Boolean', value: true }] }],
    [
      'acquired',
      '2026-01-01..',
      { type: 'ValueRange', include: true, minimum: { type: 'Time', value: t('2026-01-01') }, maximum: null },
    ],
  ] as const)('%s=%s', (name, value, expected) => {
    expect(read(name, value)).toEqual({ name, ...expected });
  });

  it('takes the type that the chosen product types declare', () => {
    const other: ProductType = {
      name: 'Other',
      description: null,
      attributeDefs: [{ name: 'apid', attributeType: 'STRING', units: null, description: null }],
    };
    expect(fault(() => read('apid', '5', [packets, other])).message).toContain('say which by the parameter type');
    expect(read('apid', '5', [other])).toMatchObject({ values: [text('5')] });
  });

  it.each([
    ['apid', 'many'],
    ['apid', ''],
    ['apid', '1..2..3'],
    ['apid', '0x10'],
    ['apid', 'Infinity'],
    ['good', 'yes'],
    ['acquired', 'noon'],
    ['nothing', '1'],
  ])('refuses %s=%s naming the parameter', (name, value) => {
    expect(fault(() => read(name, value)).field).toBe(`attr.${name}`);
  });
});

describe('query parameters', () => {
  const declared = {
    type: repeatable(textParam('')),
    filter: textParam(''),
    wait: waitParam(''),
    attr: { prefix: 'attr.', schema: {}, doc: '', example: null },
  };
  const read = (search: string) => parseQuery(declared, new URLSearchParams(search));

  it('are null, or empty, when absent', () => {
    expect(read('')).toEqual({ type: [], filter: null, wait: null, attr: [] });
  });
  it('come repeated and prefixed', () => {
    expect(read('type=a&type=b&attr.x=1&attr.x=2&wait=1.5')).toEqual({
      type: ['a', 'b'],
      filter: null,
      wait: 1500,
      attr: [
        ['x', '1'],
        ['x', '2'],
      ],
    });
  });
  it('include no names of objects', () => {
    expect(fault(() => read('constructor=1')).field).toBe('constructor');
    expect(fault(() => read('__proto__=1')).field).toBe('__proto__');
    expect(fault(() => read('attr.=1')).field).toBe('attr.');
  });
});
