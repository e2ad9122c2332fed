/** Mapping tables: the published translation of a system, as data. */
export * from './attribute.js';
export * from './concepts.js';
export * from './load.js';
export * from './products.js';
export * from './schema.js';
export * from './transform.js';
