/** Backend `datadrive`: AMMOS DataDrive, an Elasticsearch index over files in S3. */
export { createBackend } from './backend.js';
export { type ImportedSearch, readSavedSearches, SAVED_SEARCHES } from './import.js';
export { migrations } from './tables.js';
