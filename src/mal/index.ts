export * from './area.js';
export * from './encoding/index.js';
export * from './errors.js';
export * from './schema/index.js';
export * from './types/index.js';
