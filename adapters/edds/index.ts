/** Backend `edds`: ESA's data dissemination system behind its SOAP interface. */
export { createBackend } from './backend.js';
export { migrations } from './tables.js';
