import type { Encoding } from '../encoding.js';
import { FixedReader } from './reader.js';
import { FixedWriter } from './writer.js';

export const binaryFixed: Encoding = {
  name: 'binary-fixed',
  id: 0,
  flagsApart: false,
  createWriter: (size) => new FixedWriter(size),
  createReader: (message) => new FixedReader(message),
};
