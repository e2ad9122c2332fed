import type { Encoding } from '../encoding.js';
import { SplitReader } from './reader.js';
import { SplitWriter } from './writer.js';

export const binarySplit: Encoding = {
  name: 'binary-split',
  id: 2,
  flagsApart: true,
  createWriter: (size) => new SplitWriter(size),
  createReader: (message) => new SplitReader(message),
};
