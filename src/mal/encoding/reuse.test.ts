import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { File, MalString, malArea } from '../area.js';
import { arbitraryOf } from '../schema/arbitrary.js';
import { area, body, composite, createRegistry, list, nullable, type ValueOf } from '../schema/index.js';
import { createGrammar } from './grammar.js';
import { ENCODINGS, type Encoding } from './index.js';
import { createReuse } from './reuse.js';

type FileValue = ValueOf<typeof File>;

const FILES = body({ title: nullable(MalString), files: list(File), last: nullable(File) });
/** What random references point to. */
const Product = composite('Product', 1, {});
const things = area({ name: 'Things', number: 200, version: 1, types: [Product], services: {}, errors: [] });
const registry = createRegistry([malArea, things]);
const fresh = createGrammar(registry);
const write = (grammar: typeof fresh, encoding: Encoding, value: ValueOf<typeof FILES>): string => {
  const writer = encoding.createWriter();
  grammar.body(FILES).write(writer, value);
  return Buffer.concat(writer.finish()).toString('hex');
};
const file = (name: string, content = new Uint8Array([1])): FileValue => ({
  ...{ name, mimeType: null, creationDate: null, modificationDate: null, size: null, content },
  metaData: [{ name: 'a', value: { type: 'Long', value: 5n } }],
});

describe('encoded values that are used again', () => {
  it('are the bytes that encoding them anew gives, in every encoding, whatever was encoded before', () => {
    const reuse = createReuse(File, { name: ({ name }) => name, limit: 20_000 });
    const grammar = createGrammar(registry, { reuse: [reuse] });
    const named = fc
      .tuple(fc.constantFrom('a', 'b', 'c', 'd'), arbitraryOf(File, { wire: true }))
      .map(([name, value]): FileValue => ({ ...value, name }));
    fc.assert(
      fc.property(
        fc.array(named, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.option(fc.nat()),
        fc.boolean(),
        (values, picks, last, copied) => {
          const pick = (n: number): FileValue => {
            const value = values[n % values.length]!;
            return copied ? structuredClone(value) : value;
          };
          const message = { title: 'x', files: picks.map(pick), last: last === null ? null : pick(last) };
          for (const encoding of Object.values(ENCODINGS)) {
            expect(write(grammar, encoding, message)).toEqual(write(fresh, encoding, message));
          }
          expect(reuse.bytes).toBeLessThanOrEqual(20_000);
        },
      ),
      { numRuns: 500 },
    );
    expect(reuse.hits).toBeGreaterThan(1000);
  });

  it.each(Object.values(ENCODINGS))('are found for equal values, and only for equal ones: $name', (encoding) => {
    const reuse = createReuse(File, { name: ({ name }) => name, limit: 100_000 });
    const grammar = createGrammar(registry, { reuse: [reuse] });
    const send = (value: FileValue): void => {
      const message = { title: null, files: [value], last: null };
      expect(write(grammar, encoding, message)).toEqual(write(fresh, encoding, message));
    };
    send(file('x'));
    send(file('x'));
    expect([reuse.hits, reuse.misses]).toEqual([1, 1]);
    const variants: FileValue[] = [
      { ...file('x'), mimeType: '' },
      { ...file('x'), content: new Uint8Array([2]) },
      { ...file('x'), content: null },
      { ...file('x'), size: 0n },
      { ...file('x'), metaData: [] },
      { ...file('x'), metaData: [{ name: 'a', value: { type: 'Time', value: 5_000_000n } }] },
      { ...file('x'), metaData: [{ name: 'a', value: { type: 'Double', value: 0 } }] },
      { ...file('x'), metaData: [{ name: 'a', value: { type: 'Double', value: -0 } }] },
      { ...file('x'), metaData: [{ name: 'a', value: null }] },
    ];
    for (const variant of variants) send(variant);
    expect(reuse.hits).toBe(1);
    send(structuredClone(variants.at(-1)!));
    expect(reuse.hits).toBe(2);
  });

  it('are let go of when they take too much, those not used for longest first', () => {
    const reuse = createReuse(File, { name: ({ name }) => name, limit: 3000 });
    const grammar = createGrammar(registry, { reuse: [reuse] });
    const send = (name: string): boolean => {
      const { hits } = reuse;
      write(grammar, ENCODINGS['binary-fixed'], { title: null, files: [file(name)], last: null });
      return reuse.hits > hits;
    };
    send('kept');
    for (let i = 0; i < 100; i++) {
      send(`other-${i}`);
      expect(send('kept')).toBe(true);
      expect(reuse.bytes).toBeLessThanOrEqual(3000);
    }
    expect(send('other-99')).toBe(true);
    expect(send('other-0')).toBe(false);
  });

  it('leave large values where they are, and errors as they would be', () => {
    const reuse = createReuse(File, { name: ({ name }) => name, limit: 2 ** 20 });
    const grammar = createGrammar(registry, { reuse: [reuse] });
    const large = { title: null, files: [file('x', new Uint8Array(20_000)), file('y')], last: file('y') };
    for (const encoding of Object.values(ENCODINGS)) {
      expect(write(grammar, encoding, large)).toEqual(write(fresh, encoding, large));
      const wrong = { title: null, files: [{ ...file('x'), size: -1n }], last: null };
      expect(() => write(grammar, encoding, wrong)).toThrow('files[0].size: -1 is no ULong');
    }
    expect(reuse.bytes).toBeLessThan(5000);
  });
});
