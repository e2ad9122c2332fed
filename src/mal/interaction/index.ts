export * from './consumer.js';
export * from './handlers.js';
export * from './provider.js';
export type { Publisher } from './publish.js';
export * from './session.js';
export type { SubscribeOptions, SubscriptionRequest, Update, Updates } from './subscribe.js';
