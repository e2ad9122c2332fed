import type { IncomingMessage } from 'node:http';
import { MpdError } from '../../src/mpd/index.js';
import type { DataDriveConfig } from './config.js';
import { discard, fault, type Http, readText } from './http.js';
import type { Login } from './login.js';
import { placeOf } from './place.js';
import { type Answer, type ByteSource, bareEtag, type FetchOptions } from './source.js';

/**
 * Bodies by the data endpoint (spec §7.1): bytes, a redirect to a presigned link (CSSO) or JSON with one (CAM). The cookie goes
 * to the endpoint alone, never along a link; a link that has expired is asked for once more.
 */
export function pepSource(config: NonNullable<DataDriveConfig['pep']>, http: Http, login: Login): ByteSource {
  async function ask(url: string, { offset, signal }: FetchOptions, cookie: string): Promise<IncomingMessage> {
    const { bucket, key } = placeOf(url, config.buckets);
    const path = [bucket, ...key.split('/')].map(encodeURIComponent).join('/');
    const headers = { cookie, accept: '*/*', ...(offset > 0 && { range: `bytes=${offset}-` }) };
    return http(`${config.url}/${path}`, { headers, signal });
  }

  async function fetchOnce(
    url: string,
    options: FetchOptions,
    retries: number,
  ): Promise<Answer | 'changed' | 'missing'> {
    const cookie = await login.cookie();
    const response = await ask(url, options, cookie);
    const status = response.statusCode ?? 0;
    if (status === 401) {
      discard(response);
      if (retries > 0 && (await login.renew(cookie))) return fetchOnce(url, options, retries - 1);
      throw fault('the data endpoint asks to log in', 'target-down');
    }
    const link = await linkIn(response);
    if (link === null) return answerOf(response, options);
    const linked = await follow(link, options);
    if (linked.statusCode === 403 && retries > 0) {
      discard(linked);
      return fetchOnce(url, options, 0);
    }
    return answerOf(linked, options);
  }

  async function follow(link: string, { offset, etag, signal }: FetchOptions): Promise<IncomingMessage> {
    const headers = {
      ...(offset > 0 && { range: `bytes=${offset}-` }),
      ...(etag !== null && { 'if-match': `"${etag}"` }),
    };
    try {
      return await http(link, { headers, signal });
    } catch (error) {
      if (!(error instanceof MpdError) || error.class !== 'refuse') throw error;
      const { origin } = new URL(link);
      throw fault(`the data endpoint sends to ${origin}, which pep.links does not list`, 'refuse', error);
    }
  }

  return {
    fetch: (url, options) => fetchOnce(url, options, 1),
    async check(signal) {
      const response = await http(`${config.url}/`, { headers: { cookie: await login.cookie() }, signal });
      discard(response);
      return response.statusCode === 401 ? ['the data endpoint does not take the token'] : [];
    },
    close: () => undefined,
  };
}

/** The link that the endpoint answered with; null when the answer is the bytes themselves, or a failure. */
async function linkIn(response: IncomingMessage): Promise<string | null> {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    discard(response);
    const { location } = response.headers;
    if (!location) throw fault('the data endpoint redirected nowhere');
    return location;
  }
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  const isJson = /^application\/json\b/.test(response.headers['content-type'] ?? '');
  if (status !== 200 || !isJson || !(length < 65_536)) return null;
  const text = await readText(response, 65_536);
  const { presigned_url: link } = JSON.parse(text) as { presigned_url?: unknown };
  if (typeof link !== 'string') throw fault('the data endpoint answered with JSON that holds no link');
  return link;
}

function answerOf(response: IncomingMessage, { offset, etag }: FetchOptions): Answer | 'changed' | 'missing' {
  const status = response.statusCode ?? 0;
  if (status === 412 || status === 416) {
    discard(response);
    return 'changed';
  }
  if (status === 404 || status === 410) {
    discard(response);
    return 'missing';
  }
  if (status !== 200 && status !== 206) {
    discard(response);
    if (status === 403)
      throw fault('the data endpoint answered 403: the login may not read it, or its link has expired', 'target-down');
    throw fault(`the data endpoint answered ${status}`);
  }
  const shown = bareEtag(response.headers.etag);
  if (etag !== null && shown !== null && shown !== etag) {
    discard(response);
    return 'changed';
  }
  const total = /\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1];
  const length = response.headers['content-length'];
  const size = total ?? length;
  const stream = status === 206 || offset === 0 ? response : skip(response, offset);
  return { stream, size: size === undefined ? null : Number(size), etag: shown };
}

/** A server that knows no ranges sends everything: the first bytes are read past. */
function skip(response: IncomingMessage, offset: number): IncomingMessage {
  let left = offset;
  const cut = response.map((chunk: Buffer) => {
    const from = Math.min(left, chunk.length);
    left -= from;
    return chunk.subarray(from);
  });
  return cut as unknown as IncomingMessage;
}
