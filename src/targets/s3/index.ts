export { createTarget, s3Target } from './target.js';
