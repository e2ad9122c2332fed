export * from './attribute.js';
export * from './object-ref.js';
export * from './text.js';
export * from './time.js';
