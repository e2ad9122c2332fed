/** The JSON forms of `/api/v1`, declared once: the binding, the client and the OpenAPI document read them. */
export * from './deliveries.js';
export * from './etag.js';
export * from './events.js';
export * from './filter-tree.js';
export * from './orders.js';
export * from './problem.js';
export * from './products.js';
export * from './reference.js';
export * from './shape.js';
