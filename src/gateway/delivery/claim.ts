import { createHash } from 'node:crypto';
import type { Checksum } from '../backend.js';
import { hex } from '../values.js';
import { crc32c } from './crc32c.js';

/** Computes what a source's claim says of its bytes. */
export interface ClaimCheck {
  update(chunk: Uint8Array): void;
  /** Once, after the last byte. */
  result(): ClaimResult;
}

export interface ClaimResult {
  readonly check: 'ok' | 'mismatch' | 'none';
  /** For a mismatch: both checksums, in words. */
  readonly reason: string | null;
}

export function claimCheck(claim: Checksum | null): ClaimCheck {
  if (claim === null) return { update: () => undefined, result: () => ({ check: 'none', reason: null }) };
  const digest = digestOf(claim.algorithm);
  return {
    update: digest.update,
    result() {
      const found = hex(digest.end());
      const claimed = hex(claim.value);
      if (found === claimed) return { check: 'ok', reason: null };
      const reason = `the source claims ${claim.algorithm} ${claimed}, its bytes have ${found}`;
      return { check: 'mismatch', reason };
    },
  };
}

function digestOf(algorithm: Checksum['algorithm']): { update(chunk: Uint8Array): void; end(): Uint8Array } {
  if (algorithm === 'crc32c') {
    let state = 0;
    const end = (): Uint8Array => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(state);
      return bytes;
    };
    return {
      update: (chunk) => {
        state = crc32c(chunk, state);
      },
      end,
    };
  }
  const hash = createHash(algorithm.replace('sha-', 'sha'));
  return { update: (chunk) => void hash.update(chunk), end: () => hash.digest() };
}
