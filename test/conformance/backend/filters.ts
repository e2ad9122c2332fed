import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, BackendQuery, Entry } from '../../../src/gateway/backend.js';
import type { Attribute } from '../../../src/mal/index.js';
import { compileTree, type FilterTree, inWindow, isOrdered, windowsOverlap } from '../../../src/mpd/filter/index.js';
import type { AttributeFilter, ProductFilter, TimeWindow } from '../../../src/mpd/index.js';
import type { BackendFixture, BackendHarness, ProductHints } from './fixture.js';
import { ALL, all, keyOf } from './reading.js';

const SECOND = 1_000_000_000n;
const T0 = 1_600_000_000n;

/** A listing with a filter, refined exactly, is what the exact filter finds in the whole: push-down leaves nothing out. */
export function backendFilterProperties(harness: BackendHarness): void {
  const { patience = 30_000, key = (n: number) => `folder/product-${n}.dat`, fields = [] } = harness;

  describe('filters', () => {
    let system: BackendFixture;
    let backend: Backend;
    let entries: readonly Entry[];

    beforeAll(async () => {
      system = await harness.create();
      backend = system.backend;
      const products = fc.sample(productHints(fields), { numRuns: 40, seed: 9 });
      const folders = ['', 'a/', 'a/b/', 'ab/', 'a b/', 'é/', '🛰/'];
      const prefix = (n: number) => (harness.skip?.awkwardNames === undefined ? folders[n % folders.length]! : '');
      for (const [n, hints] of products.entries()) {
        await system.put(`${prefix(n)}${key(n)}`, new Uint8Array(n).fill(n), hints);
      }
      const end = performance.now() + patience;
      do {
        entries = await listed(backend, ALL);
        if (performance.now() > end) throw new Error(`${entries.length} of ${products.length} products are listed`);
        await sleep(20);
      } while (entries.length < products.length);
    });
    afterAll(() => system?.close());

    it('finds with any filter, after refinement, exactly what the filter accepts of the whole', async () => {
      const queries = fc.record({
        filter: fc.option(filterTree(entries), { nil: null }),
        created: fc.option(window(entries), { nil: null }),
        content: fc.option(window(entries), { nil: null }),
        updated: fc.option(window(entries), { nil: null }),
      });
      let found = 0;
      await fc.assert(
        fc.asyncProperty(queries, async (query) => {
          const accepts = exact(query);
          const wanted = entries.filter(accepts).map(keyOf);
          const got = (await listed(backend, query)).filter(accepts).map(keyOf);
          expect(got.sort()).toEqual(wanted.sort());
          found += wanted.length;
        }),
        { numRuns: 300, seed: 4 },
      );
      expect(found).toBeGreaterThan(100);
    });
  });
}

const listed = async (backend: Backend, query: BackendQuery): Promise<Entry[]> =>
  (await all(backend, query)).map(({ entry }) => entry);

function exact({ filter, created, content, updated }: BackendQuery): (entry: Entry) => boolean {
  const accepts = compileTree(filter);
  return ({ metadata, path, updatedAt }) =>
    accepts(metadata, path) &&
    (created === null || inWindow(metadata.creationDate, created)) &&
    (content === null || windowsOverlap(metadata.contentDate, content)) &&
    (updated === null || inWindow(updatedAt, updated));
}

function productHints(fields: readonly string[]): fc.Arbitrary<ProductHints> {
  const seconds = fc.integer({ min: 0, max: 20 }).map((n) => (T0 + BigInt(n)) * SECOND);
  const value = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.constantFrom('alpha', 'beta', 'al', 'é', '5', 'x y', '🛰'));
  return fc.record(
    {
      created: seconds,
      content: fc.tuple(seconds, seconds).map(([a, b]) => (a < b ? { start: a, end: b } : { start: b, end: a })),
      source: fc.constantFrom('alpha', 'beta', 'gamma ray'),
      fields: fc.dictionary(fc.constantFrom(...fields, 'unmapped'), value, { maxKeys: 4 }),
    },
    { requiredKeys: ['created'] },
  );
}

/** Windows that begin and end at or near times that occur. */
function window(entries: readonly Entry[]): fc.Arbitrary<TimeWindow> {
  const times = entries.flatMap(({ metadata, updatedAt }) => [
    metadata.creationDate,
    metadata.contentDate.start,
    metadata.contentDate.end,
    updatedAt,
  ]);
  const time = fc.tuple(fc.constantFrom(...times), fc.constantFrom(-1n, 0n, 1n)).map(([at, by]) => at + by);
  return fc.tuple(time, time).map(([a, b]) => (a < b ? { start: a, end: b } : { start: b, end: a }));
}

function filterTree(entries: readonly Entry[]): fc.Arbitrary<FilterTree> {
  const types = fc.constantFrom(...entries.map(({ metadata }) => metadata.productType.name), 'NoSuchType');
  const domains = fc.constantFrom(
    ...entries.map(({ metadata }) => metadata.productRef.domain),
    ...entries.flatMap(({ metadata: { productRef } }) => [
      [...productRef.domain, '*'],
      [...productRef.domain.slice(0, -1), '*'],
    ]),
    ['*'],
    ['no', 'such', 'domain'],
  );
  const prefixes = fc
    .tuple(fc.constantFrom(...entries.map((entry) => entry.path ?? keyOf(entry))), fc.nat(12))
    .map(([path, length]) => [...path].slice(0, length).join(''));
  const productFilter: fc.Arbitrary<ProductFilter> = fc.record({
    productType: fc.option(types, { nil: null }),
    domain: fc.option(domains, { nil: null, freq: 2 }),
    sources: fc.option(fc.subarray(['alpha', 'beta', 'gamma ray', 'none']), { nil: null, freq: 2 }),
    attributeFilter: fc.option(fc.array(attributeFilter(entries), { maxLength: 3 }), { nil: null }),
  });
  const { tree } = fc.letrec<{ tree: FilterTree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      { weight: 4, arbitrary: productFilter.map((filter) => ({ filter })) },
      { weight: 1, arbitrary: fc.array(types, { maxLength: 3 }).map((productTypes) => ({ productTypes })) },
      { weight: 1, arbitrary: domains.map((domain) => ({ domain })) },
      { weight: 2, arbitrary: prefixes.map((pathPrefix) => ({ pathPrefix })) },
      { weight: 1, arbitrary: window(entries).map((created) => ({ created })) },
      { weight: 1, arbitrary: window(entries).map((content) => ({ content })) },
      { weight: 2, arbitrary: fc.array(tie('tree'), { maxLength: 3 }).map((nodes) => ({ all: nodes })) },
      { weight: 2, arbitrary: fc.array(tie('tree'), { maxLength: 3 }).map((nodes) => ({ any: nodes })) },
      { weight: 1, arbitrary: tie('tree').map((node) => ({ not: node })) },
    ),
  }));
  return tree;
}

/** Filters on attributes and values that occur, and some that do not. */
function attributeFilter(entries: readonly Entry[]): fc.Arbitrary<AttributeFilter> {
  const present = entries.flatMap(({ metadata }) =>
    (metadata.attributes ?? []).flatMap(({ name, value }) => (value === null ? [] : [{ name, value }])),
  );
  const some = fc.constantFrom<{ name: string; value: Attribute }>(
    ...present,
    { name: 'absent', value: { type: 'Long', value: 1n } },
    { name: present[0]?.name ?? 'absent', value: { type: 'Boolean', value: true } },
  );
  const ordered = present.filter(({ value }) => isOrdered(value.type));
  const bound = fc.constantFrom<{ name: string; value: Attribute }>(...ordered, {
    name: 'absent',
    value: { type: 'Long', value: 1n },
  });
  const include = fc.boolean();
  return fc.oneof(
    fc.record({ one: bound, include, open: fc.constantFrom('minimum', 'maximum', 'none') }).map(
      ({ one, include: included, open }): AttributeFilter => ({
        type: 'ValueRange',
        name: one.name,
        include: included,
        minimum: open === 'minimum' ? null : one.value,
        maximum: open === 'maximum' ? null : one.value,
      }),
    ),
    fc.record({ one: some, more: fc.array(some, { maxLength: 2 }), include }).map(
      ({ one, more, include: included }): AttributeFilter => ({
        type: 'ValueSet',
        name: one.name,
        include: included,
        values: [one, ...more].map(({ value }) => value),
      }),
    ),
    fc
      .record({ one: some, from: fc.nat(4), length: fc.nat(6), anchored: fc.boolean(), include })
      .map(({ one, from, length, anchored, include: included }): AttributeFilter => {
        const text = [...String(one.value.value)];
        const part = text.slice(anchored ? 0 : from, (anchored ? 0 : from) + length).join('');
        const literal = part.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
        return { type: 'StringPattern', name: one.name, include: included, regex: anchored ? `^${literal}` : literal };
      }),
  );
}
