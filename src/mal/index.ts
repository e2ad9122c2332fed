export * from './area.js';
export * from './schema/index.js';
export * from './types/index.js';
