import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../backend.js';
import { memoryBackend } from '../testing.js';
import { checkRelativePath } from './file-name.js';
import { checkPathTemplate, deliveryPath } from './path-template.js';

const entry = (more: { key?: string; path?: string | null; fileName?: string | null; type?: string } = {}): Entry => {
  const made = memoryBackend('m', ['esa', 'x/y']).put(more.key ?? 'key', 'x', {
    type: more.type ?? 'TM',
    // 2024-02-29T12:34:56.789Z
    created: 1_709_210_096_789_000_000n,
    attributes: [
      { name: 'orbit', value: { type: 'Long', value: 42n } },
      { name: 'mode', value: { type: 'String', value: '../etc' } },
    ],
  });
  return { ...made, path: more.path ?? null, fileName: more.fileName ?? null };
};

describe('deliveryPath', () => {
  it.each([
    [null, 'key'],
    ['{created:yyyy}/{created:MM}-{created:dd}', '2024/02-29/key'],
    ['{created:yyyyDDD}', '2024060/key'],
    ['{content:HHmmss}', '123456/key'],
    ['in {productType}/{source}', 'in TM/none/key'],
    ['{domain}', 'esa/x%2Fy/key'],
    ['{folder}', 'a/b c/key'],
    ['{attribute.orbit}/{attribute.mode}/{attribute.no}', '42/..%2Fetc/none/key'],
  ])('%s gives %s', (template, path) => {
    if (template !== null) checkPathTemplate(template);
    expect(deliveryPath(entry({ path: 'a/b c/key' }), template)).toBe(path);
  });

  it('takes the name the mapping gives, made safe', () => {
    expect(deliveryPath(entry({ fileName: 'f/1.dat' }), 'x')).toBe('x/f%2F1.dat');
  });

  it('keeps the own name of a product in its own folders, and leaves out folders it has not', () => {
    expect(deliveryPath(entry({ key: 'spice/a.bc', path: 'spice/a.bc' }), '{folder}')).toBe('spice/a.bc');
    expect(deliveryPath(entry({ key: 'spice/a.bc' }), '{folder}')).toBe('spice%2Fa.bc');
    expect(deliveryPath(entry({ path: 'a/' }), '{folder}')).toBe('a/key');
  });

  it('stays a plain relative path whatever the product says', () => {
    const nasty = fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', '\u0000', '%', '日'), minLength: 1 });
    fc.assert(
      fc.property(nasty, nasty, nasty, (key, type, path) => {
        checkRelativePath(deliveryPath(entry({ key, type, path }), '{productType}/{folder}/.{productType}'));
      }),
    );
  });
});

describe('checkPathTemplate', () => {
  it.each([
    ['/abs', /plain relative path/],
    ['../{key}', /plain relative path/],
    ['a//b', /plain relative path/],
    ['{key', /brace is open/],
    ['{nothing}', /\{nothing\} is unknown; known: created/],
    ['{created}', /needs a format/],
    ['{created:yyyy/MM}', /no slash/],
    ['{key:x}', /only times have a format/],
    ['.mpd-x', /kept for temporary files/],
    ['', /plain relative path/],
  ])('refuses %j', (template, reason) => {
    expect(() => checkPathTemplate(template)).toThrow(reason);
    expect(() => checkPathTemplate(template)).toThrow(/^pathTemplate: /);
  });
});
