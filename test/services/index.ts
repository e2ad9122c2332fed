/** Real servers for tests: `service(name)`, `describeWithService(names, title, body)`, `unique(prefix)`. */
export { type ServiceName, serviceNames } from './catalogue.js';
export { describeWithService } from './describe.js';
export { fromEnvironment, service, unique } from './service.js';
export type { Service } from './state.js';
