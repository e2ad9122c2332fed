export { createTarget, fileTarget } from './target.js';
