/** gateway.yaml: one schema → validation, `config schema`, `config show`, the reference page. */
export { configJsonSchema } from './json-schema.js';
export { type LoadedConfig, type LoadOptions, loadConfig, parseConfig } from './load.js';
export { PACKAGE_ROOT } from './paths.js';
export { ConfigError, type ConfigProblem, problemText } from './problem.js';
export { referencePage } from './reference.js';
export { type BackendConfig, configSchema, type GatewayConfig, type TargetsConfig } from './schema.js';
export { showConfig, shownConfig } from './show.js';
