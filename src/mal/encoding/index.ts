import { binaryFixed } from './binary-fixed/index.js';
import { binarySplit } from './binary-split/index.js';
import { binaryVariable } from './binary-variable/index.js';
import type { Encoding, EncodingName } from './encoding.js';

export { binaryFixed } from './binary-fixed/index.js';
export { binarySplit } from './binary-split/index.js';
export { binaryVariable } from './binary-variable/index.js';
export * from './encoding.js';
export * from './grammar.js';
export * from './reuse.js';

export const ENCODINGS: Readonly<Record<EncodingName, Encoding>> = {
  'binary-fixed': binaryFixed,
  'binary-variable': binaryVariable,
  'binary-split': binarySplit,
};
export * from './error-body.js';
