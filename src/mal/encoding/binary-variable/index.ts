import type { Encoding } from '../encoding.js';
import { VariableReader } from './reader.js';
import { VariableWriter } from './writer.js';

export const binaryVariable: Encoding = {
  name: 'binary-variable',
  id: 1,
  flagsApart: false,
  createWriter: (size) => new VariableWriter(size),
  createReader: (message) => new VariableReader(message),
};
