import type { Access, Caller } from './access.js';
import type { Faults } from './faults.js';
import type { Repository } from './repository.js';
import type { SavedSearches } from './saved-searches.js';
import { type SearchAnswer, SearchError, type SearchNode } from './search-node.js';

/** A playback request (spec §6); times are ms since 1970. */
export interface PlaybackRequest {
  readonly start_time?: number;
  readonly end_time?: number;
  readonly include_full_path?: boolean;
  readonly all_pkg?: boolean;
  readonly pkg?: readonly string[];
  readonly ss_name?: string;
  readonly regex?: string;
  readonly glob_regex?: string;
  readonly pagination_marker?: string;
}

interface Marker {
  readonly pit: string;
  readonly after: readonly unknown[];
  readonly page: number;
  readonly total: number;
}

export type PlaybackAnswer =
  | {
      readonly status: 200;
      readonly body: { readonly results: readonly object[]; readonly total: number; readonly marker?: string };
    }
  | { readonly status: number; readonly body: { readonly error: true; readonly message: string } };

/** Plays the index back page by page; the marker is opaque text over a point in time and the last sort values. */
export class Playback {
  constructor(
    private readonly node: SearchNode,
    private readonly repository: Repository,
    private readonly searches: SavedSearches,
    private readonly access: Access,
    private readonly faults: Faults,
    private readonly pageSize: number,
  ) {}

  async page(request: PlaybackRequest, caller: Caller): Promise<PlaybackAnswer> {
    const status = this.faults.take('playbackStatus', caller.user);
    if (status) return { status, body: { error: true, message: 'playback is not available' } };
    const saved = request.ss_name === undefined ? undefined : this.searches.find(request.ss_name, caller.user);
    if (request.ss_name !== undefined && !saved) return { status: 404, body: { error: true, message: 'empty result' } };
    const marker = request.pagination_marker ? decodeMarker(request.pagination_marker) : undefined;
    try {
      return await this.#search(request, caller, saved?.ss_query, marker);
    } catch (error) {
      if (!(error instanceof SearchError) || error.status >= 500) throw error;
      return { status: error.status, body: { error: true, message: error.message } };
    }
  }

  async #search(
    request: PlaybackRequest,
    caller: Caller,
    saved: object | undefined,
    marker: Marker | undefined,
  ): Promise<PlaybackAnswer> {
    const aliases = this.repository.objectTypes.map((type) => this.repository.aliasOf(type.name)).join(',');
    const pit = marker?.pit ?? (await this.node.openPit(aliases, '2m'));
    const answer = await this.node.call<SearchAnswer>('POST', '/_search', {
      size: this.pageSize,
      query: this.#query(request, caller, saved),
      pit: { id: pit, keep_alive: '2m' },
      sort: [{ ocs_updated_at: 'asc' }, { ocs_dataset_id: 'asc' }],
      track_total_hits: marker === undefined,
      ...(marker && marker.after.length > 0 && { search_after: marker.after }),
    });
    const page = (marker?.page ?? 0) + 1;
    const hits = answer.hits.hits;
    const total = marker?.total ?? answer.hits.total?.value ?? 0;
    const emptyFrom = this.faults.peek('emptyPageEarly', caller.user);
    const rows = emptyFrom && page >= emptyFrom ? [] : hits.map((hit) => this.#row(hit._source));
    if (hits.length === 0) await this.node.closePit(answer.pit_id ?? pit);
    const after = hits.at(-1)?.sort ?? marker?.after ?? [];
    const next: Marker = { pit: answer.pit_id ?? pit, after, page, total };
    const body = {
      results: rows,
      total: total + (this.faults.peek('totalPlus', caller.user) ?? 0),
      ...(!this.faults.peek('noMarker', caller.user) && { marker: encodeMarker(next) }),
    };
    return { status: 200, body };
  }

  #query(request: PlaybackRequest, caller: Caller, saved: object | undefined): object {
    const { start_time: gte, end_time: lte } = request;
    const range = { ...(gte !== undefined && { gte }), ...(lte !== undefined && { lte }), format: 'epoch_millis' };
    const filter: object[] = [{ range: { ocs_updated_at: range } }];
    const rights = this.access.readFilter(caller, this.repository.packages);
    if (rights) filter.push(rights);
    if (saved) filter.push(saved);
    else if (!request.all_pkg) filter.push({ terms: { ocs_package_id: request.pkg ?? [] } });
    const names = request.include_full_path ? ['ocs_full_name'] : ['ocs_name'];
    if (request.regex) {
      const fields = request.regex.includes('/') ? [...new Set([...names, 'ocs_full_name'])] : names;
      filter.push(anyOf(fields.map((field) => ({ regexp: { [field]: { value: request.regex } } }))));
    }
    if (request.glob_regex) {
      const value = request.glob_regex.replace(/[\\?]/g, '\\$&');
      filter.push(anyOf(names.map((field) => ({ wildcard: { [field]: { value } } }))));
    }
    return { bool: { filter } };
  }

  #row(source: Readonly<Record<string, unknown>>): object {
    const { ocs_updated_at, ocs_full_name, ocs_dataset_id, ocs_package_id, ocs_created_by, ocs_url } = source;
    const always = { ocs_updated_at, ocs_package_id, ocs_owner: ocs_created_by };
    return this.faults.take('rowsWithoutName') ? always : { ...always, ocs_full_name, ocs_dataset_id, ocs_url };
  }
}

const anyOf = (should: readonly object[]): object => ({ bool: { should, minimum_should_match: 1 } });

const encodeMarker = (marker: Marker): string => Buffer.from(JSON.stringify(marker)).toString('base64url');

const decodeMarker = (text: string): Marker => JSON.parse(Buffer.from(text, 'base64url').toString()) as Marker;
