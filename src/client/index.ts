import { invalid } from '../mpd/index.js';
import type { MpdClient } from './client.js';
import type { HttpClient, HttpClientOptions } from './http/client.js';
import { connectHttp } from './http/index.js';
import { connectMal, type MalClient, type MalClientOptions } from './mal/index.js';

export * from './client.js';
export * from './http/client.js';
export * from './mal/index.js';
export { connectHttp };

/** Opens a client by the scheme of the address; nothing is sent before the first call. @throws MpdError Invalid for a scheme without a transport */
export function connect(url: `http://${string}` | `https://${string}`, options?: HttpClientOptions): HttpClient;
export function connect(url: `maltcp://${string}` | `malhttp://${string}`, options?: MalClientOptions): MalClient;
export function connect(url: string, options?: HttpClientOptions & MalClientOptions): MpdClient;
export function connect(url: string, options: HttpClientOptions & MalClientOptions = {}): MpdClient {
  if (/^https?:\/\//i.test(url)) return connectHttp(url, options);
  if (/^mal(tcp|http):\/\//i.test(url)) return connectMal(url, options);
  throw invalid('url', `expected http://, https://, maltcp:// or malhttp://, not ${JSON.stringify(url)}`);
}
