/** CCSDS space packets (133.0-B) and the files that hold them one after another. */
export * from './crc16.js';
export * from './header.js';
export * from './reader.js';
export * from './sequence.js';
export * from './summary.js';
export * from './time-code.js';
export * from './writer.js';
