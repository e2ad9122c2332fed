import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENCODINGS } from '../../encoding/index.js';
import { Everything, testGrammar } from '../../interaction/test-area.js';
import { encodeBody, type MessageHeader } from '../../message.js';
import type { Attribute } from '../../types/index.js';
import { decodeGeneric, encodeGeneric } from './generic.js';

const { add } = Everything.operations;
const all = Object.values(ENCODINGS);
const supplement: fc.Arbitrary<{ name: string; value: Attribute | null }> = fc.record({
  name: fc.string(),
  value: fc.constantFrom<Attribute | null>(
    null,
    { type: 'Boolean', value: true },
    { type: 'Boolean', value: false },
    { type: 'Long', value: -5n },
    { type: 'String', value: 'é' },
  ),
});
const header: fc.Arbitrary<MessageHeader> = fc.record({
  from: fc.constantFrom('malhttp://127.0.0.1:1/me', 'malhttp://é/x'),
  to: fc.constant('malhttp://127.0.0.1:2/Everything'),
  authenticationId: fc.uint8Array({ maxLength: 5 }),
  timestamp: fc.bigInt(0n, 4_000_000_000_000n).map((ms) => ms * 1_000_000n),
  interactionType: fc.constantFrom('SEND', 'REQUEST', 'PROGRESS', 'PUBSUB'),
  interactionStage: fc.integer({ min: 1, max: 10 }),
  transactionId: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  area: fc.integer({ min: 0, max: 65_535 }),
  service: fc.integer({ min: 0, max: 65_535 }),
  operation: fc.integer({ min: 0, max: 65_535 }),
  areaVersion: fc.integer({ min: 0, max: 255 }),
  isError: fc.boolean(),
  supplements: fc.array(supplement, { maxLength: 4 }),
});

describe('a MAL header before the body', () => {
  it.each(all.map((encoding) => [encoding.name, encoding] as const))('comes back as it was, %s', (_name, encoding) => {
    const value = fc.record({ a: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), b: fc.option(fc.bigInt(-9n, 9n)) });
    fc.assert(
      fc.property(header, value, (given, content) => {
        const body = encodeBody(testGrammar, encoding, add.request, content);
        const message = Buffer.concat(encodeGeneric({ header: given, body, encoding }));
        const read = decodeGeneric(message, all);
        expect(read.header).toEqual(given);
        expect(read.encoding).toBe(encoding);
        expect(testGrammar.body(add.request).read(encoding.createReader(read.body))).toEqual(content);
        const empty = decodeGeneric(Buffer.concat(encodeGeneric({ header: given, body: [], encoding })), [encoding]);
        expect(empty.header).toEqual(given);
      }),
    );
  });

  it('is read as ESA’s stack writes it, in fixed and in split', () => {
    // listProducts of productType "a", from its consumer.
    const fixed =
      '000000246d616c687474703a2f2f3132372e302e302e313a33363031372f31383832383536353136000000000000002a6d616c687474703a2f2f3132372e302e302e313a33353738392f50726f6475637452657472696576616c624b03995bff0301773eb55ffd2e00010009000100010100000000000100000001610000000000';
    const split =
      '0102236d616c687474703a2f2f3132372e302e302e313a34353831352f313338373931353432002a6d616c687474703a2f2f3132372e302e302e313a33353738392f50726f6475637452657472696576616c624b0399645703018280e8d98adadabeee0109010101000161';
    for (const [hex, name, port, body] of [
      [fixed, 'binary-fixed', '36017', '0100000001610000000000'],
      [split, 'binary-split', '45815', '01010161'],
    ] as const) {
      const read = decodeGeneric(Buffer.from(hex, 'hex'), all);
      expect(read.encoding.name).toBe(name);
      expect(Buffer.from(read.body).toString('hex')).toBe(body);
      expect(read.header).toMatchObject({
        from: expect.stringContaining(`malhttp://127.0.0.1:${port}/`),
        to: 'malhttp://127.0.0.1:35789/ProductRetrieval',
        interactionType: 'REQUEST',
        interactionStage: 1,
        ...{ area: 9, service: 1, operation: 1, areaVersion: 1 },
        isError: false,
        supplements: [],
      });
    }
  });

  it('is refused as Bad Encoding when it is none, however it is cut or altered', () => {
    for (const encoding of all) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          try {
            decodeGeneric(bytes, [encoding]);
          } catch (error) {
            expect((error as Error).message).toContain('Bad Encoding');
          }
        }),
      );
      const [given] = fc.sample(header, { numRuns: 1, seed: 7 });
      const whole = Buffer.concat(encodeGeneric({ header: given!, body: [], encoding }));
      for (let end = 0; end < 60; end++)
        expect(() => decodeGeneric(whole.subarray(0, end), [encoding])).toThrow('Bad Encoding');
    }
  });
});
