export { connectHttp } from './connect.js';
