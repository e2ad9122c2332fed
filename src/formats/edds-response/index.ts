/** Response files of EDDS: what `getResponse` and file deliveries carry. */
export * from './elements.js';
export * from './forms.js';
export * from './hex.js';
export * from './names.js';
export * from './reader.js';
export * from './writer.js';
