import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Long } from '../../area.js';
import { isMalError } from '../../errors.js';
import type { MessageHeader } from '../../message.js';
import { arbitraryOf } from '../../schema/arbitrary.js';
import { STAGES } from '../../stages.js';
import { parseTime } from '../../types/index.js';
import { decodeHeader, encodeHeader } from './header.js';

const missing = { from: 'maltcp://peer:1', to: 'maltcp://here:2', now: 5_000_000n };
const decode = (bytes: Uint8Array): ReturnType<typeof decodeHeader> => decodeHeader(Buffer.from(bytes), missing);

const uint = (bits: number): fc.Arbitrary<number> => fc.nat({ max: 2 ** bits - 1 });
const stage = fc.constantFrom(
  ...Object.entries(STAGES).flatMap(([type, names]) =>
    names.map((_, i) => [type as keyof typeof STAGES, i + 1] as const),
  ),
);
const text = fc.string({ unit: 'binary', maxLength: 20 }).map((name) => `maltcp://h:1/${name}`);
const header: fc.Arbitrary<MessageHeader> = fc
  .record({
    from: text,
    to: text,
    authenticationId: fc.uint8Array({ maxLength: 8 }),
    timestamp: fc.bigInt(0n, 4_000_000_000_000n).map((ms) => ms * 1_000_000n),
    stage,
    transactionId: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    area: uint(16),
    service: uint(16),
    operation: uint(16),
    areaVersion: uint(8),
    isError: fc.boolean(),
    supplements: fc.array(
      fc.record({
        name: text,
        value: fc.option(
          fc.oneof(
            text.map((value) => ({ type: 'URI', value }) as const),
            arbitraryOf(Long).map((value) => ({ type: 'Long', value }) as const),
          ),
        ),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ stage: [interactionType, interactionStage], ...rest }) => ({ ...rest, interactionType, interactionStage }));

describe('maltcp header', () => {
  it('is read back', () => {
    fc.assert(
      fc.property(header, uint(8), fc.nat({ max: 50 }), (value, encodingId, bodySize) => {
        const bytes = encodeHeader(value, encodingId, bodySize);
        const message = Buffer.concat([bytes, Buffer.alloc(bodySize)]);
        expect(message.readUInt32BE(0)).toBe(message.length);
        expect(decode(message)).toEqual({ header: value, encodingId, version: 1, bodyStart: bytes.length });
      }),
    );
  });

  /** A request that the published stack served, as it was recorded. */
  const recorded =
    '0000007b230009000100010111' +
    '00000000000003e9d00000000000' +
    '00000023' +
    Buffer.from('maltcp://127.0.0.1:50505/tsConsumer').toString('hex') +
    '00000029' +
    Buffer.from('maltcp://127.0.0.1:47100/ProductRetrieval').toString('hex') +
    '4a3101fb11f8';
  const request: MessageHeader = {
    from: 'maltcp://127.0.0.1:50505/tsConsumer',
    to: 'maltcp://127.0.0.1:47100/ProductRetrieval',
    authenticationId: new Uint8Array(0),
    timestamp: parseTime('2010-01-01T09:13:51.352Z'),
    interactionType: 'REQUEST',
    interactionStage: 1,
    transactionId: 1001n,
    area: 9,
    service: 1,
    operation: 1,
    areaVersion: 1,
    isError: false,
    supplements: [],
  };

  it('is that of a recorded message, to the byte', () => {
    expect(Buffer.from(encodeHeader(request, 0, 6)).toString('hex')).toBe(recorded);
    expect(decode(Buffer.from(`${recorded}000000000000`, 'hex'))).toEqual({
      header: request,
      encodingId: 0,
      version: 1,
      bodyStart: 117,
    });
  });

  it('may leave out source, destination and timestamp, and have fields that are not used', () => {
    const bytes = Buffer.from(recorded, 'hex');
    const bare = Buffer.concat([bytes.subarray(0, 21), Buffer.from([0, 0, 0, 0, 0, 0])]);
    expect(decode(bare)).toMatchObject({
      header: { from: missing.from, to: missing.to, timestamp: missing.now },
      bodyStart: bare.length,
    });
    const optional = Buffer.from(
      '2e0000000000' + '00000007' + '0000000161' + '0000000162' + '00000002000000016300000000',
      'hex',
    );
    const full = Buffer.concat([bytes.subarray(0, 21), optional, Buffer.from([1, 2])]);
    expect(full.length - decode(full).bodyStart).toBe(2);
  });

  it('is refused when cut off; another version is seen', () => {
    const bytes = Buffer.from(recorded, 'hex');
    for (let length = 5; length < bytes.length; length++) {
      expect(() => decode(bytes.subarray(0, length))).toThrow(/Bad Encoding/);
    }
    const other = Buffer.from(bytes);
    other[4] = (2 << 5) | 3;
    expect(decode(other).version).toBe(2);
    other[4] = (1 << 5) | 22;
    expect(() => decode(other)).toThrow('no SDU type 22');
  });

  it('gives nothing but Bad Encoding, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 27, maxLength: 200 }), (bytes) => {
        bytes[4] = (1 << 5) | ((bytes[4] ?? 0) & 0x1f);
        try {
          decode(bytes);
        } catch (error) {
          if (!isMalError(error, 'Bad Encoding')) throw error;
        }
      }),
      { numRuns: 5000 },
    );
  });
});
