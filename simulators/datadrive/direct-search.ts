import type { Access, Caller } from './access.js';
import type { Faults } from './faults.js';
import { type Exchange, readJson, sendJson } from './http.js';
import type { Repository } from './repository.js';
import type { SearchNode } from './search-node.js';

interface Body {
  readonly query?: object;
  readonly from?: number;
  readonly size?: number;
  readonly pit?: unknown;
}

interface Hits {
  hits?: { total?: { value: number } | number; hits: unknown[] };
  _shards?: { total: number; successful: number; failed: number; failures?: unknown[] };
}

const refused = { error: { type: 'security_exception', reason: 'not offered by this endpoint' }, status: 403 };

/**
 * The index as clients may use it (spec §3, §11.1): searches, points in time, aliases and mappings of the object types,
 * with the caller's read rights put around every query.
 */
export class DirectSearch {
  constructor(
    private readonly node: SearchNode,
    private readonly repository: Repository,
    private readonly access: Access,
    private readonly faults: Faults,
  ) {}

  async serve(exchange: Exchange, caller: Caller): Promise<void> {
    const { response, method, segments } = exchange;
    const path = segments.slice(1);
    const status = this.faults.take('esStatus', caller.user);
    if (status) return sendJson(response, status, { error: { type: 'es_rejected_execution_exception' }, status });
    const last = path.at(-1) ?? '';
    if (method === 'GET' && (last === '_alias' || last === '_mapping'))
      return this.#pass(exchange, path.length > 1 ? path[0] : undefined, last);
    if (path[0] === '_cluster') return this.#forward(exchange, 'GET', '/_cluster/health', undefined);
    if (method === 'POST' && path.length === 1 && last === '_search') return this.#search(exchange, caller, undefined);
    const names = path[0] ?? '';
    // Saved searches of everyone, as the page that lists them has them.
    if (method === 'POST' && last === '_search' && path.length === 2 && names === this.repository.savedSearches)
      return this.#forward(exchange, 'POST', `/${names}/_search`, await readJson(exchange.request));
    if (method === 'POST' && path.length === 2 && last === '_search' && this.#isOurs(names))
      return this.#search(exchange, caller, names);
    if (method === 'POST' && (last === '_pit' || last === 'point_in_time') && this.#isOurs(names)) {
      const keep = `keep_alive=${encodeURIComponent(exchange.query.get('keep_alive') ?? '1m')}`;
      const ignore = exchange.query.has('ignore_unavailable') ? '&ignore_unavailable=true' : '';
      return this.#forward(exchange, 'POST', `/${names}/${path.slice(1).join('/')}?${keep}${ignore}`, undefined);
    }
    if (method === 'DELETE' && (last === '_pit' || last === 'point_in_time'))
      return this.#forward(exchange, 'DELETE', `/${path.join('/')}`, await readJson(exchange.request));
    sendJson(response, 403, refused);
  }

  #isOurs(names: string): boolean {
    const known = new Set(this.repository.objectTypes.map((type) => this.repository.aliasOf(type.name)));
    return names.split(',').every((name) => known.has(name));
  }

  /** Aliases or mappings, of the object types only. */
  async #pass(exchange: Exchange, names: string | undefined, what: string): Promise<void> {
    const all = this.repository.objectTypes.map((type) => this.repository.aliasOf(type.name)).join(',');
    if (names !== undefined && !this.#isOurs(names)) return sendJson(exchange.response, 404, { status: 404 });
    const path = what === '_alias' ? `/_alias/${names ?? all}` : `/${names ?? all}/_mapping`;
    return this.#forward(exchange, 'GET', path, undefined);
  }

  async #search(exchange: Exchange, caller: Caller, names: string | undefined): Promise<void> {
    const body = await readJson<Body>(exchange.request);
    if (names === undefined && !body.pit) return sendJson(exchange.response, 403, refused);
    const window = this.faults.peek('window10000', caller.user);
    if (window && (body.from ?? 0) + (body.size ?? 10) > window)
      return sendJson(exchange.response, 400, {
        error: { type: 'illegal_argument_exception', reason: `Result window is too large, [${window}]` },
        status: 400,
      });
    if (body.pit && this.faults.take('lostContext', caller.user))
      return sendJson(exchange.response, 404, { error: { type: 'search_context_missing_exception' }, status: 404 });
    const rights = this.access.readFilter(caller, this.repository.packages);
    const query = rights ? { bool: { must: [body.query ?? { match_all: {} }], filter: [rights] } } : body.query;
    const sent = { ...body, ...(query && { query }) };
    return this.#forward(exchange, 'POST', names ? `/${names}/_search` : '/_search', sent, (answer: Hits) => {
      this.#spoil(answer, caller);
    });
  }

  #spoil(answer: Hits, caller: Caller): void {
    if (!answer.hits) return;
    if (typeof answer.hits.total === 'object' && this.faults.take('es6Totals', caller.user))
      answer.hits.total = answer.hits.total.value;
    if (this.faults.take('partialShards', caller.user)) {
      answer.hits.hits = answer.hits.hits.filter((_, i) => i % 2 === 0);
      answer._shards = { total: 2, successful: 1, failed: 1, failures: [{ reason: { type: 'node_disconnected' } }] };
    }
  }

  async #forward(
    { response }: Exchange,
    method: string,
    path: string,
    body: unknown,
    change?: (answer: Hits) => void,
  ): Promise<void> {
    const answer = await fetch(this.node.url + path, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const parsed = (await answer.json()) as Hits;
    if (answer.ok) change?.(parsed);
    const product = answer.headers.get('x-elastic-product');
    if (product) response.setHeader('x-elastic-product', product);
    sendJson(response, answer.status, parsed);
  }
}
