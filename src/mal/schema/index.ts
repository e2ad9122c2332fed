export * from './area.js';
export { quoted } from './attribute-text.js';
export * from './declare.js';
export * from './descriptor.js';
export * from './json.js';
export * from './json-out.js';
export * from './json-schema.js';
export * from './json-text.js';
export * from './registry.js';
