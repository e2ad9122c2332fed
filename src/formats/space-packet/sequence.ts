import { IDLE_APID, type PrimaryHeader, SEQUENCE_MODULUS } from './header.js';

/** A place where the counter of one APID does not follow on. */
export interface SequenceGap {
  readonly apid: number;
  readonly type: 'TM' | 'TC';
  /** Position of the packet behind the gap. */
  readonly offset: number;
  readonly expected: number;
  readonly found: number;
  /** Packets missing when the counter went forward, 0 for a repeat or a step back. */
  readonly missing: number;
  /** forward: packets lost; repeat: the same count again; back: an earlier count (modulo 16384, nearer behind than ahead). */
  readonly kind: 'forward' | 'repeat' | 'back';
}

/** Follows the sequence counts of each packet type and APID modulo 16384; idle packets do not count. */
export function sequenceTracker(): (header: PrimaryHeader, offset: number) => SequenceGap | null {
  const last = new Map<number, number>();
  return (header, offset) => {
    if (header.apid === IDLE_APID) return null;
    const key = header.apid | (header.type === 'TC' ? 0x1000 : 0);
    const previous = last.get(key);
    last.set(key, header.sequenceCount);
    if (previous === undefined) return null;
    const expected = (previous + 1) % SEQUENCE_MODULUS;
    if (header.sequenceCount === expected) return null;
    const ahead = (header.sequenceCount - expected + SEQUENCE_MODULUS) % SEQUENCE_MODULUS;
    const kind = ahead === SEQUENCE_MODULUS - 1 ? 'repeat' : ahead < SEQUENCE_MODULUS / 2 ? 'forward' : 'back';
    return {
      apid: header.apid,
      type: header.type,
      offset,
      expected,
      found: header.sequenceCount,
      missing: kind === 'forward' ? ahead : 0,
      kind,
    };
  };
}
