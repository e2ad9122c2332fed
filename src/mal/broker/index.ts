export * from './broker.js';
export type { Subscriber } from './subscription.js';
