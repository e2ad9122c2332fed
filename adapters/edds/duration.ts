import { fromMs } from '../../src/mal/index.js';

/** A duration, ms, in ns; what is finer than milliseconds does not count. */
export const nsOf = (ms: number): bigint => fromMs(Math.trunc(ms));
