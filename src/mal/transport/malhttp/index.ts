export { type MalhttpClient, type MalhttpClientOptions, malhttpClient } from './connect.js';
export { listenMalhttp, type MalhttpListenOptions } from './listen.js';
export type { MalhttpMode } from './post.js';
