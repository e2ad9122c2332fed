/** An error answer of the search server. */
export class SearchError extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {
    super(`search server answered ${status}: ${JSON.stringify(body).slice(0, 400)}`);
  }
}

export interface Hit {
  readonly _id: string;
  readonly _index: string;
  readonly _source: Readonly<Record<string, unknown>>;
  readonly sort?: readonly unknown[];
}

export interface SearchAnswer {
  readonly pit_id?: string;
  readonly hits: { readonly total?: { readonly value: number }; readonly hits: readonly Hit[] };
}

/** The few calls the stand-in makes, the same on Elasticsearch 7.17 and 8 and on OpenSearch 2. */
export class SearchNode {
  private constructor(
    readonly url: string,
    readonly flavour: 'elasticsearch' | 'opensearch',
  ) {}

  static async connect(url: string): Promise<SearchNode> {
    const response = await fetch(`${url}/_cluster/health`).catch((error: Error) => {
      const reason = error.cause instanceof Error ? error.cause.message : error.message;
      throw new Error(`the search server ${url} does not answer: ${reason}`, { cause: error });
    });
    const health: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new SearchError(response.status, health);
    if (typeof health !== 'object' || health === null || !('cluster_name' in health))
      throw new Error(`${url} is no Elasticsearch or OpenSearch: it tells nothing of the health of a cluster`);
    return new SearchNode(url, response.headers.has('x-elastic-product') ? 'elasticsearch' : 'opensearch');
  }

  /** Sends JSON (or NDJSON text) and gives the parsed answer. */
  async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const ndjson = typeof body === 'string';
    const response = await fetch(this.url + path, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': ndjson ? 'application/x-ndjson' : 'application/json' },
        body: ndjson ? body : JSON.stringify(body),
      }),
    });
    const answer = (await response.json()) as T;
    if (!response.ok) throw new SearchError(response.status, answer);
    return answer;
  }

  async openPit(indices: string, keepAlive: string): Promise<string> {
    if (this.flavour === 'elasticsearch')
      return (await this.call<{ id: string }>('POST', `/${indices}/_pit?keep_alive=${keepAlive}`)).id;
    const path = `/${indices}/_search/point_in_time?keep_alive=${keepAlive}`;
    return (await this.call<{ pit_id: string }>('POST', path)).pit_id;
  }

  async closePit(id: string): Promise<void> {
    if (this.flavour === 'elasticsearch') await this.call('DELETE', '/_pit', { id });
    else await this.call('DELETE', '/_search/point_in_time', { pit_id: [id] });
  }

  /** Writes or, with a null document, deletes; index and id in each operation. */
  async bulk(
    operations: readonly { readonly index: string; readonly id: string; readonly document: object | null }[],
    refresh: boolean,
  ): Promise<void> {
    if (operations.length === 0) return;
    const lines = operations.map(({ index, id, document }) => {
      const meta = { _index: index, _id: id };
      return document
        ? `${JSON.stringify({ index: meta })}\n${JSON.stringify(document)}\n`
        : `${JSON.stringify({ delete: meta })}\n`;
    });
    const answer = await this.call<{ errors: boolean; items: readonly Record<string, { status: number }>[] }>(
      'POST',
      `/_bulk?refresh=${refresh}`,
      lines.join(''),
    );
    const bad = answer.items.find((item) => Object.values(item).some(({ status }) => status >= 400 && status !== 404));
    if (answer.errors && bad) throw new SearchError(400, bad);
  }
}
