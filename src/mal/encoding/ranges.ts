import { badEncoding } from '../errors.js';
import { BIGINT_RANGES, NUMBER_RANGES } from '../types/index.js';

/** @throws MalError when the value is no whole number of the type */
export function checkNumber(value: number, type: keyof typeof NUMBER_RANGES): void {
  const [low, high] = NUMBER_RANGES[type];
  if (!(value >= low && value <= high) || !Number.isInteger(value)) throw badEncoding(`${value} is no ${type}`);
}

/** @throws MalError when the value is not in the range of the type */
export function checkBigint(value: bigint, type: 'Long' | 'ULong'): void {
  const [low, high] = BIGINT_RANGES[type];
  if (typeof value !== 'bigint' || value < low || value > high) throw badEncoding(`${value} is no ${type}`);
}
