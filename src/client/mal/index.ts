export * from './client.js';
export { connectMal } from './connect.js';
