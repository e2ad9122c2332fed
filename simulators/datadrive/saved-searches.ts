import type { SearchAnswer, SearchNode } from './search-node.js';

/** A stored query; `ss_query` is plain query DSL (spec §6). */
export interface SavedSearch {
  readonly ss_name: string;
  readonly ss_type: 'personal' | 'general';
  readonly ss_owner: string;
  readonly ss_query: object;
}

/**
 * Saved searches, kept in the catalogue index. Whether one matches a new document is asked of the search server by id once the
 * document is searchable, which finds what a percolator would and needs no module that a server may lack.
 */
export class SavedSearches {
  readonly #searches: SavedSearch[] = [];

  constructor(
    private readonly node: SearchNode,
    private readonly catalogue: string,
    private readonly aliases: string,
  ) {}

  get all(): readonly SavedSearch[] {
    return this.#searches;
  }

  async add(search: SavedSearch): Promise<void> {
    const at = this.#searches.findIndex((s) => s.ss_name === search.ss_name && s.ss_owner === search.ss_owner);
    if (at >= 0) this.#searches.splice(at, 1);
    this.#searches.push(search);
    const id = `${search.ss_owner}/${search.ss_name}`;
    await this.node.bulk([{ index: this.catalogue, id: encodeURIComponent(id), document: search }], true);
  }

  /** Personal ones of this owner first, then general ones. */
  find(name: string, owner: string): SavedSearch | undefined {
    const named = this.#searches.filter((search) => search.ss_name === name);
    return named.find((search) => search.ss_owner === owner) ?? named.find((search) => search.ss_type === 'general');
  }

  async matches(search: SavedSearch, datasetId: string): Promise<boolean> {
    const query = { bool: { must: [search.ss_query], filter: [{ term: { ocs_dataset_id: datasetId } }] } };
    const answer = await this.node.call<SearchAnswer>('POST', `/${this.aliases}/_search`, { size: 1, query });
    return answer.hits.hits.length > 0;
  }
}
