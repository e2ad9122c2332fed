import { setTimeout as sleep } from 'node:timers/promises';
import { MpdError } from '../../src/mpd/index.js';
import type { DataDriveConfig } from './config.js';
import { fault, type Http, readText } from './http.js';
import type { Login } from './login.js';

export type Document = Readonly<Record<string, unknown>>;

export interface Hit {
  readonly _index: string;
  readonly _id: string;
  readonly _source: Document;
  readonly sort?: readonly unknown[];
}

export interface SearchAnswer {
  readonly pit_id?: string;
  readonly timed_out?: boolean;
  readonly _shards?: { readonly failed?: number };
  readonly hits: { readonly total?: number | { readonly value: number }; readonly hits: readonly Hit[] };
  readonly aggregations?: Readonly<Record<string, { readonly buckets?: readonly { readonly key: unknown }[] }>>;
}

/** An error answer of the search server. */
export class SearchError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    reason: string,
  ) {
    super(`the search server answered ${status} ${type}: ${reason}`);
  }
}

export interface SearchClient {
  /** One call; overload and lost connections are tried again, a partial answer too. Errors are MpdError or, for 4xx, SearchError. */
  call<T>(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<T>;
  search(path: string, body: object, signal: AbortSignal): Promise<SearchAnswer>;
  /** A frozen view; null where the server or the site offers none. */
  openView(aliases: string, signal: AbortSignal): Promise<string | null>;
  closeView(id: string): Promise<void>;
}

const TRIES = 4;
const KEEP_ALIVE = '2m';

export function createSearch(config: DataDriveConfig['elasticsearch'], http: Http, login: Login | null): SearchClient {
  /** Elasticsearch and OpenSearch say the same in different words; found out at the first try. */
  let dialect: 'elastic' | 'opensearch' | 'none' | undefined = config.pointInTime ? undefined : 'none';

  async function once<T>(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<T> {
    const cookie = config.cookie && login ? await login.cookie() : undefined;
    const response = await http(config.url + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...authorization(config),
        ...(cookie && { cookie }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
      timeoutMs: config.timeout,
    });
    const text = await readText(response);
    const status = response.statusCode ?? 0;
    if (status === 401 && cookie && login && (await login.renew(cookie))) return once(method, path, body, signal);
    if (status === 401 || status === 403) throw fault(`the search server refused the login (${status})`, 'target-down');
    if (status === 429 || status >= 500) throw fault(`the search server answered ${status}`);
    let answer: T & { readonly error?: { readonly type?: string; readonly reason?: string } | string };
    try {
      answer = JSON.parse(text) as typeof answer;
    } catch (cause) {
      throw fault(`the search server answered ${status} with something that is not JSON`, 'retry', cause);
    }
    if (status >= 400) {
      const { type = 'error', reason = '' } = typeof answer.error === 'object' ? answer.error : {};
      throw new SearchError(status, type, reason);
    }
    return answer;
  }

  async function call<T>(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once<T>(method, path, body, signal);
      } catch (error) {
        if (!(error instanceof MpdError) || error.class !== 'retry' || attempt === TRIES || signal.aborted) throw error;
        await sleep(100 * 3 ** (attempt - 1), undefined, { signal });
      }
    }
  }

  async function search(path: string, body: object, signal: AbortSignal): Promise<SearchAnswer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await call<SearchAnswer>('POST', path, body, signal);
      if (!answer.timed_out && !answer._shards?.failed) return answer;
      if (attempt === TRIES) throw fault('a part of the index did not answer');
      await sleep(100 * 3 ** (attempt - 1), undefined, { signal });
    }
  }

  return {
    call,
    search,
    async openView(aliases, signal) {
      if (dialect !== 'opensearch' && dialect !== 'none') {
        try {
          const { id } = await call<{ id: string }>(
            'POST',
            `/${aliases}/_pit?keep_alive=${KEEP_ALIVE}`,
            undefined,
            signal,
          );
          dialect = 'elastic';
          return id;
        } catch (error) {
          if (!isNotOffered(error)) throw error;
        }
      }
      if (dialect === 'none') return null;
      const path = `/${aliases}/_search/point_in_time?keep_alive=${KEEP_ALIVE}`;
      try {
        const { pit_id } = await call<{ pit_id: string }>('POST', path, undefined, signal);
        dialect = 'opensearch';
        return pit_id;
      } catch (error) {
        if (!isNotOffered(error)) throw error;
        dialect = 'none';
        return null;
      }
    },
    async closeView(id) {
      const signal = AbortSignal.timeout(10_000);
      if (dialect === 'opensearch') await once('DELETE', '/_search/point_in_time', { pit_id: [id] }, signal);
      else await once('DELETE', '/_pit', { id }, signal);
    },
  };
}

/** How many documents a search found, as far as it counted them: servers before 7 answer a number. */
export function foundIn({ total = 0 }: SearchAnswer['hits']): number {
  return typeof total === 'object' ? total.value : total;
}

/** The point in time of a page: it stays open so long again. */
export const viewClause = (id: string): object => ({ id, keep_alive: KEEP_ALIVE });

/** The server has forgotten the view: it was open too long, or a node went. */
export const isLostView = (error: unknown): boolean =>
  error instanceof SearchError && (error.status === 404 || /search_context|point_in_time/.test(error.type));

/** Another server, or a site that does not let clients. A server that refuses the login is another matter. */
function isNotOffered(error: unknown): boolean {
  if (error instanceof SearchError) return [400, 404, 405, 406, 501].includes(error.status);
  return error instanceof MpdError && error.class === 'target-down' && /\(403\)/.test(error.message);
}

function authorization({ apiKey, username, password }: DataDriveConfig['elasticsearch']): Record<string, string> {
  if (apiKey) return { authorization: `ApiKey ${apiKey}` };
  if (!username) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` };
}
