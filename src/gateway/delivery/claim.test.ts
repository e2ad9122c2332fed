import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimCheck } from './claim.js';
import { crc32c } from './crc32c.js';

describe('crc32c', () => {
  // RFC 3720 B.4 and the check value of the catalogue of CRCs.
  it.each([
    [Buffer.from('123456789'), 0xe3069283],
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    [Buffer.alloc(0), 0],
  ])('of %j is %i', (bytes, expected) => expect(crc32c(bytes)).toBe(expected));

  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
      }),
    );
  });
});

describe('claimCheck', () => {
  const text = Buffer.from('some bytes');
  const run = (claim: Parameters<typeof claimCheck>[0]) => {
    const check = claimCheck(claim);
    check.update(text.subarray(0, 4));
    check.update(text.subarray(4));
    return check.result();
  };
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(text));

  it.each([
    ['md5', createHash('md5').update(text).digest()],
    ['sha-1', createHash('sha1').update(text).digest()],
    ['sha-256', createHash('sha256').update(text).digest()],
    ['sha-512', createHash('sha512').update(text).digest()],
    ['crc32c', crc],
  ] as const)('%s: ok when equal, else names both', (algorithm, value) => {
    expect(run({ algorithm, value })).toEqual({ check: 'ok', reason: null });
    const wrong = Buffer.from(value);
    wrong[0]! ^= 1;
    const { check, reason } = run({ algorithm, value: wrong });
    expect(check).toBe('mismatch');
    expect(reason).toContain(wrong.toString('hex'));
    expect(reason).toContain(value.toString('hex'));
  });

  it('is none without a claim', () => expect(run(null)).toEqual({ check: 'none', reason: null }));
});
