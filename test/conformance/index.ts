/** Conformance suites of the ports, for implementations anywhere. They need `vitest` and `fast-check` beside them. */
export * from './backend/index.js';
export * from './target/index.js';
