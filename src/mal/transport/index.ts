export * from './limits.js';
export * from './maltcp/index.js';
export * from './transport.js';
