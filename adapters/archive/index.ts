/** Backend `archive`: a folder of files. */
export { createBackend } from './backend.js';
export { migrations } from './tables.js';
