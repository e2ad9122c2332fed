export { type InProcessOptions, inProcessClient } from './in-process/index.js';
export * from './limits.js';
export * from './malhttp/index.js';
export * from './maltcp/index.js';
export * from './transport.js';
