/** A 32-bit hash of integers: the same archive from the same seed, any element without those before it. */
export function hash32(seed: number, index: number): number {
  let value = (seed ^ Math.imul(index | 0, 0x9e3779b1) ^ Math.imul(Math.floor(index / 0x1_0000_0000), 0x85ebca6b)) | 0;
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
  return (value ^ (value >>> 15)) >>> 0;
}

/** Fills `target` from `start` with bytes that follow from the two numbers. */
export function fillRandom(target: Uint8Array, start: number, seed: number, index: number): void {
  let state = hash32(seed, index) || 1;
  for (let at = start; at < target.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    target[at] = state & 255;
  }
}
