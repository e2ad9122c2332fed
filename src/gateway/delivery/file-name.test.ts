import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkRelativePath, isTemporaryName, safeSegment, temporaryName } from './file-name.js';

const awkward = fc.string({
  unit: fc.constantFrom('a', '2', 'F', '%', '/', '\\', '.', '\u0000', '\n', ' ', '日', '#'),
  minLength: 1,
});

describe('safeSegment', () => {
  it.each([
    ['a b.dat', 'a b.dat'],
    ['日本 "x" #1?.bin', '日本 "x" #1?.bin'],
    ['100%.txt', '100%.txt'],
    ['a/b', 'a%2Fb'],
    ['a%2Fb', 'a%252Fb'],
    ['..', '%2E.'],
    ['.', '%2E'],
    ['.mpd-1-1.part', '%2Empd-1-1.part'],
    ['c:\\x\u0000', 'c:%5Cx%00'],
  ])('%j becomes %j', (text, name) => expect(safeSegment(text)).toBe(name));

  it('gives each text a name of its own that passes the path check', () => {
    fc.assert(
      fc.property(
        fc.oneof(awkward, fc.string({ unit: 'grapheme', minLength: 1 })),
        fc.oneof(awkward, fc.string({ minLength: 1 })),
        (a, b) => {
          checkRelativePath(safeSegment(a));
          expect(safeSegment(a) === safeSegment(b)).toBe(a === b);
          expect(isTemporaryName(safeSegment(a))).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('cuts a long name between characters, keeps its extension and tells it from others', () => {
    const a = safeSegment(`${'日'.repeat(200)}a.fits`);
    const b = safeSegment(`${'日'.repeat(200)}b.fits`);
    expect(Buffer.byteLength(a)).toBeLessThanOrEqual(255);
    expect(a).toMatch(/^日+~[0-9a-f]{32}\.fits$/);
    expect(a).not.toBe(b);
  });

  it('refuses the empty name', () => expect(() => safeSegment('')).toThrow(/empty/));
});

describe('checkRelativePath', () => {
  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '..',
    'a/../b',
    './a',
    'a\\b',
    'a\nb',
    '.mpd-1-1.part',
    'a/.mpd-x',
    'x'.repeat(256),
  ])('refuses %j', (path) => expect(() => checkRelativePath(path, 'pathTemplate')).toThrow(/^pathTemplate: /));
  it.each(['a', 'a/b c', '...', '.hidden', 'a..b', '%2e%2e', '日/本'])('accepts %j', (path) => checkRelativePath(path));
});

describe('temporary names', () => {
  it('belong to one delivery', () => {
    expect(isTemporaryName(temporaryName('ab-5', 12), 'ab-5')).toBe(true);
    expect(isTemporaryName(temporaryName('ab-51', 1), 'ab-5')).toBe(false);
    expect(isTemporaryName(temporaryName('ab-5', 1), 'ab')).toBe(false);
    expect(() => temporaryName('../x', 1)).toThrow(/deliveryId/);
  });
});
