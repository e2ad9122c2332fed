import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import type { Catalogue, Principal } from '../api.js';
import type { Entry } from '../backend.js';
import { createBackends } from '../backends.js';
import { coreMigrations } from '../migrations.js';
import type { CoreTables } from '../schema.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { createCatalogue } from './catalogue.js';
import { createNamedFilters } from './filters.js';

const everything = { filter: null, created: null, content: null };
const operator: Principal = { id: 'op', role: 'operator', policy: null };
const alice: Principal = { id: 'alice', role: 'consumer', policy: { pathPrefix: 'open/' } };
const signal = new AbortController().signal;

describe('catalogue', () => {
  let store: TestStore<CoreTables>;
  let a: MemoryBackend;
  let b: MemoryBackend;
  let catalogue: Catalogue;
  let filters: ReturnType<typeof createNamedFilters>;

  beforeEach(async () => {
    store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
    a = memoryBackend('a', ['x', 'a']);
    b = memoryBackend('b', ['x', 'b']);
    filters = createNamedFilters(store.db, () => 2);
    catalogue = createCatalogue({
      db: store.db,
      backends: createBackends([a, b]),
      access: createAccess(store.db),
      filters,
      pageLimit: 1000,
    });
  });
  afterEach(() => store.close());

  const keys = (entries: readonly { readonly metadata: { readonly productRef: { readonly key: string } } }[]) =>
    entries.map((entry) => entry.metadata.productRef.key);

  it('lists several backends in one order: creation time, then reference', async () => {
    a.put('1', 'x', { created: 10n });
    b.put('2', 'x', { created: 20n });
    a.put('4', 'x', { created: 30n });
    b.put('3', 'x', { created: 30n });
    a.put('5', 'x', { created: 40n });
    expect(keys((await catalogue.list(everything, { limit: 10, signal }, operator)).entries)).toEqual([
      '1',
      '2',
      '4',
      '3',
      '5',
    ]);
  });

  it('pages give each product exactly once while products of equal and later times are inserted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ time: fc.integer({ min: 0, max: 5 }), second: fc.boolean() }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 7 }),
        async (products, limit) => {
          const one = memoryBackend('a', ['x', 'a']);
          const two = memoryBackend('b', ['x', 'b']);
          const paged = createCatalogue({
            db: store.db,
            backends: createBackends([one, two]),
            access: createAccess(store.db),
            filters,
            pageLimit: 1000,
          });
          products.forEach(({ time, second }, i) => {
            (second ? two : one).put(`k${i}`, String(i), { created: BigInt(time) });
          });
          const seen: string[] = [];
          let after: string | undefined;
          let inserted = 0;
          do {
            const page = await paged.list(
              everything,
              { limit, signal, ...(after !== undefined && { after }) },
              operator,
            );
            seen.push(...keys(page.entries));
            after = page.next ?? undefined;
            if (inserted < 20) one.put(`later${inserted}`, 'x', { created: BigInt(5 + (inserted++ % 2)) });
          } while (after !== undefined);
          const first = seen.filter((key) => key.startsWith('k'));
          expect(first.toSorted()).toEqual(products.map((_, i) => `k${i}`).toSorted());
          expect(new Set(seen).size).toBe(seen.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('asks only the backends whose domains the filter can match, and refines what they give', async () => {
    a.put('1', 'x', { type: 't' });
    b.put('2', 'x', { type: 't' });
    b.list = () => {
      throw new Error('must not be asked');
    };
    const query = { ...everything, filter: { all: [{ domain: ['x', 'a', '*'] }, { productTypes: ['t'] }] } };
    expect(keys((await catalogue.list(query, { limit: 10, signal }, operator)).entries)).toEqual(['1']);
  });

  it('shows a principal what its policy lets pass, in lists, by reference and as bodies; the rest is unknown', async () => {
    const open = a.put('1', 'yes', { path: 'open/1' });
    const secret = a.put('2', 'no', { path: 'secret/2' });
    expect(keys((await catalogue.list(everything, { limit: 10, signal }, alice)).entries)).toEqual(['1']);
    const refs = [open.metadata.productRef, secret.metadata.productRef];
    await expect(catalogue.get(refs, alice)).rejects.toMatchObject({ code: 'Unknown', extraInformation: [1] });
    const options = { revision: null, offset: 0, signal };
    await expect(catalogue.open(refs[1]!, options, alice)).rejects.toMatchObject({ code: 'Unknown' });
    const { body } = await catalogue.open(refs[0]!, options, alice);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body.stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('yes');
  });

  it('opens what an event told of without asking for it first, as long as that revision is there and may be seen', async () => {
    const open = a.put('1', 'yes', { path: 'open/1' });
    const secret = a.put('2', 'no', { path: 'secret/2' });
    a.get = () => {
      throw new Error('must not be asked');
    };
    const opened = (told: Entry) => catalogue.body(told, { signal }, alice);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await opened(open)).stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('yes');
    await expect(opened(secret)).rejects.toMatchObject({ code: 'Unknown' });
    a.put('1', 'other', { path: 'open/1' });
    await expect(opened(open)).rejects.toMatchObject({ code: 'Unknown' });
  });

  it('names every unknown reference by its index', async () => {
    const { metadata } = a.put('1', 'x');
    const ref = metadata.productRef;
    const refs = [{ ...ref, key: 'no' }, ref, { ...ref, version: ref.version + 1 }, { ...ref, domain: ['nobody'] }];
    await expect(catalogue.get(refs, operator)).rejects.toMatchObject({ extraInformation: [0, 2, 3] });
  });

  it('answers Too Many with the limit when a bounded list would be longer, not when it just fits', async () => {
    for (const key of ['1', '2', '3']) a.put(key, 'x');
    expect(await catalogue.listBounded(everything, 3, signal, operator)).toHaveLength(3);
    await expect(catalogue.listBounded(everything, 2, signal, operator)).rejects.toMatchObject({
      code: 'Too Many',
      message: expect.stringContaining('more than 2'),
    });
  });

  it('refuses a cursor that is none and a reversed window, naming the field', async () => {
    const page = { limit: 1, signal };
    await expect(catalogue.list(everything, { ...page, after: 'x' }, operator)).rejects.toMatchObject({
      field: 'cursor',
    });
    const reversed = { ...everything, created: { start: 2n, end: 1n } };
    await expect(catalogue.list(reversed, page, operator)).rejects.toMatchObject({ code: 'Invalid', field: 'created' });
  });

  it('refuses a named filter that could not be read again', async () => {
    const filter = { created: { start: 0n, end: 2n ** 70n } };
    await expect(filters.put({ name: 'far', filter, description: null, shared: true }, operator)).rejects.toMatchObject(
      {
        code: 'Invalid',
        field: 'filter',
      },
    );
    expect(await filters.list(operator)).toEqual([]);
  });

  it('keeps named filters: own ones by name, shared ones by owner, others unknown', async () => {
    a.put('1', 'x', { type: 't' });
    a.put('2', 'x', { type: 'u' });
    await filters.put({ name: 'mine', filter: { productTypes: ['t'] }, description: null, shared: false }, operator);
    const named = { ...everything, filter: { named: 'mine' } };
    expect(keys((await catalogue.list(named, { limit: 9, signal }, operator)).entries)).toEqual(['1']);
    const bob: Principal = { id: 'bob', role: 'consumer', policy: null };
    await expect(filters.get('op/mine', bob)).rejects.toMatchObject({ code: 'Unknown' });
    await filters.put({ name: 'mine', filter: { productTypes: ['u'] }, description: null, shared: true }, operator);
    expect((await filters.get('op/mine', bob)).filter).toEqual({ productTypes: ['u'] });
    await expect(filters.remove('op/mine', bob)).rejects.toMatchObject({ code: 'Authorisation Fail' });
    await filters.put({ name: 'second', filter: { named: 'mine' }, description: null, shared: false }, operator);
    await expect(
      filters.put({ name: 'third', filter: { named: 'mine' }, description: null, shared: false }, operator),
    ).rejects.toMatchObject({ code: 'Too Many' });
  });
});
