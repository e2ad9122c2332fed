export { type MaltcpClientOptions, maltcpClient } from './connect.js';
export { type Listener, type ListenOptions, listenMaltcp } from './listen.js';
