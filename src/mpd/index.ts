export * from './area.js';
export * from './errors.js';
export * from './filter/index.js';
export * from './mal-errors.js';
export * from './services.js';
export * from './types.js';
