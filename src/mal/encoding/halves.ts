import { endianness } from 'node:os';

/** 64-bit integers by their halves, in number arithmetic, which is much quicker than that of bigint. */

const whole = new BigInt64Array(1);
const halves = new Int32Array(whole.buffer);
const [LOW, HIGH] = endianness() === 'LE' ? [0, 1] : [1, 0];

export const fromHalves = (high: number, low: number): bigint => {
  halves[HIGH] = high;
  halves[LOW] = low;
  return whole[0]!;
};
