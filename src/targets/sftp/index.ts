export { createTarget, sftpTarget } from './target.js';
