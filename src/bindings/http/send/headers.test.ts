import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDisposition } from './disposition.js';
import { matchesEtag, parseRange } from './range.js';

describe('Range', () => {
  it.each([
    ['bytes=0-', 10, { kind: 'part', start: 0, end: 9 }],
    ['bytes=2-4', 10, { kind: 'part', start: 2, end: 4 }],
    ['bytes=2-400', 10, { kind: 'part', start: 2, end: 9 }],
    ['bytes=-3', 10, { kind: 'part', start: 7, end: 9 }],
    ['bytes=-30', 10, { kind: 'part', start: 0, end: 9 }],
    ['bytes=9-9', 10, { kind: 'part', start: 9, end: 9 }],
    ['bytes=10-', 10, { kind: 'outside' }],
    ['bytes=-0', 10, { kind: 'outside' }],
    ['bytes=0-', 0, { kind: 'outside' }],
    ['bytes=-5', 0, { kind: 'outside' }],
    ['bytes=5-', null, { kind: 'part', start: 5, end: null }],
    ['bytes=-5', null, { kind: 'all' }],
    ['bytes=4-2', 10, { kind: 'all' }],
    ['bytes=0-1,3-4', 10, { kind: 'all' }],
    ['lines=0-1', 10, { kind: 'all' }],
    ['bytes=-', 10, { kind: 'all' }],
    ['bytes=a-b', 10, { kind: 'all' }],
    [undefined, 10, { kind: 'all' }],
  ] as const)('%s of %s bytes', (header, size, expected) => {
    expect(parseRange(header, size)).toEqual(expected);
  });
});

it('entity tags are compared strongly for ranges and weakly for caches', () => {
  expect(matchesEtag('"a", "b"', '"b"', 'strong')).toBe(true);
  expect(matchesEtag('W/"b"', '"b"', 'strong')).toBe(false);
  expect(matchesEtag('W/"b"', '"b"', 'weak')).toBe(true);
  expect(matchesEtag('*', '"b"', 'strong')).toBe(true);
  expect(matchesEtag('"bb"', '"b"', 'weak')).toBe(false);
});

describe('Content-Disposition', () => {
  it.each([
    ['a.pkt', 'attachment; filename="a.pkt"'],
    ['a "b".txt', `attachment; filename="a _b_.txt"; filename*=UTF-8''a%20%22b%22.txt`],
    ["100% d'été.csv", `attachment; filename="100_ d'_t_.csv"; filename*=UTF-8''100%25%20d%27%C3%A9t%C3%A9.csv`],
    ['日本', `attachment; filename="__"; filename*=UTF-8''%E6%97%A5%E6%9C%AC`],
  ])('%s', (name, header) => {
    expect(contentDisposition(name)).toBe(header);
  });

  it('never breaks out of its header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const header = contentDisposition(name);
        expect(header).toMatch(/^[\x20-\x7e]*$/);
        expect(header.replace(/^attachment; filename="[^"\\]*"/, '')).toMatch(/^(; filename\*=UTF-8''[\w.~!%-]*)?$/);
      }),
    );
  });
});
