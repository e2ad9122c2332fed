/** Base-128 integers, least significant group first; signed ones as zig-zag. */

export function varintOf(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** Signed 64-bit to its zig-zag form. */
export const zigzag64 = (value: bigint): bigint => BigInt.asUintN(64, value >= 0n ? value << 1n : (-value << 1n) - 1n);
/** Signed 32-bit to its zig-zag form. */
export const zigzag32 = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0;
export const unzigzag32 = (value: number): number => (value >>> 1) ^ -(value & 1);
