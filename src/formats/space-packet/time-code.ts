/** CCSDS 301.0-B time codes found in secondary headers: CDS (segmented days) and CUC (unsegmented count). */

const NS_PER_DAY = 86_400_000_000_000n;

/** The CCSDS agency-independent epoch, 1958-01-01, in nanoseconds since 1970. */
export const EPOCH_1958 = BigInt(Date.UTC(1958, 0, 1)) * 1_000_000n;
export const EPOCH_2000 = BigInt(Date.UTC(2000, 0, 1)) * 1_000_000n;

/** Day count, milliseconds of the day, and no, µs (2) or ps (4) bytes below the millisecond. */
export interface CdsFormat {
  readonly code: 'cds';
  readonly dayBytes: 2 | 3;
  readonly subMillisecondBytes: 0 | 2 | 4;
}

/** Seconds and binary fractions of a second since the epoch. */
export interface CucFormat {
  readonly code: 'cuc';
  /** 1 … 7. */
  readonly coarseBytes: number;
  /** 0 … 10. */
  readonly fineBytes: number;
}

export type TimeCode = (CdsFormat | CucFormat) & {
  /**
   * Nanoseconds since 1970 of the zero of the count. No leap seconds are applied: where a counter runs on, as CUC does,
   * put the difference into the epoch.
   */
  readonly epoch: bigint;
  /** Bytes between the primary header and the time (a P-field, PUS service bytes); default 0. */
  readonly offset?: number;
};

/** The usual 16-bit day, 32-bit millisecond, 16-bit microsecond. */
export const CDS_16_32_16: TimeCode = { code: 'cds', dayBytes: 2, subMillisecondBytes: 2, epoch: EPOCH_1958 };

/** Bytes the time takes, without its `offset`. */
export function timeCodeLength(format: TimeCode): number {
  return format.code === 'cds'
    ? format.dayBytes + 4 + format.subMillisecondBytes
    : format.coarseBytes + format.fineBytes;
}

/** Nanoseconds since 1970 of the time at `at`, or null when the bytes are too few or the time of day is no time of day. */
export function decodeTimeCode(format: TimeCode, bytes: Uint8Array, at: number): bigint | null {
  if (at + timeCodeLength(format) > bytes.length) return null;
  if (format.code === 'cuc') {
    const seconds = unsigned(bytes, at, format.coarseBytes);
    const fraction = unsigned(bytes, at + format.coarseBytes, format.fineBytes);
    return format.epoch + seconds * 1_000_000_000n + ((fraction * 1_000_000_000n) >> BigInt(8 * format.fineBytes));
  }
  const days = unsigned(bytes, at, format.dayBytes);
  const milliseconds = unsigned(bytes, at + format.dayBytes, 4);
  const below = unsigned(bytes, at + format.dayBytes + 4, format.subMillisecondBytes);
  const leapSecondDay = 86_401_000n;
  if (milliseconds >= leapSecondDay) return null;
  const nanoseconds = format.subMillisecondBytes === 4 ? below / 1000n : below * 1000n;
  return format.epoch + days * NS_PER_DAY + milliseconds * 1_000_000n + nanoseconds;
}

/** The time code of `time` (nanoseconds since 1970); digits below its resolution are dropped. RangeError outside its span. */
export function encodeTimeCode(format: TimeCode, time: bigint): Uint8Array {
  const since = time - format.epoch;
  if (since < 0n) throw new RangeError('the time lies before the epoch of its time code');
  if (format.code === 'cuc') {
    const fraction = ((since % 1_000_000_000n) << BigInt(8 * format.fineBytes)) / 1_000_000_000n;
    return join(
      [since / 1_000_000_000n, format.coarseBytes],
      // Rounded up so that decoding, which rounds down, gives the nanosecond back where the resolution allows.
      [roundedUp(fraction, since, format.fineBytes), format.fineBytes],
    );
  }
  const ofDay = since % NS_PER_DAY;
  const below = ofDay % 1_000_000n;
  return join(
    [since / NS_PER_DAY, format.dayBytes],
    [ofDay / 1_000_000n, 4],
    [subMillisecond(below, format.subMillisecondBytes), format.subMillisecondBytes],
  );
}

function subMillisecond(nanoseconds: bigint, bytes: 0 | 2 | 4): bigint {
  if (bytes === 0) return 0n;
  return bytes === 4 ? nanoseconds * 1000n : nanoseconds / 1000n;
}

function roundedUp(fraction: bigint, since: bigint, fineBytes: number): bigint {
  const bits = BigInt(8 * fineBytes);
  if (bits < 30n) return fraction;
  const exact = (fraction * 1_000_000_000n) >> bits === since % 1_000_000_000n;
  return exact ? fraction : fraction + 1n;
}

function unsigned(bytes: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  for (let index = at; index < at + length; index++) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

function join(...parts: readonly (readonly [bigint, number])[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, [, length]) => sum + length, 0));
  let end = 0;
  for (const [value, length] of parts) {
    end += length;
    let rest = value;
    for (let index = end - 1; index >= end - length; index--) {
      out[index] = Number(rest & 255n);
      rest >>= 8n;
    }
    if (rest > 0n) throw new RangeError('the time lies beyond the span of its time code');
  }
  return out;
}
