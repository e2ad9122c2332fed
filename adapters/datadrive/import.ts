import { bundledMapping, loadMapping } from '../../src/mapping/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { MpdError } from '../../src/mpd/index.js';
import type { Guard } from '../../src/net/guard.js';
import { objectTypesOf, rulesOf } from './backend.js';
import { createCatalogue } from './catalogue.js';
import { type DataDriveConfig, dataDriveConfig } from './config.js';
import { fieldMapOf } from './field-map.js';
import { createHttp, fault } from './http.js';
import { createLogin } from './login.js';
import { type Translation, translateSearch } from './saved-search.js';
import { createSearch, foundIn } from './search.js';

/** A saved search as the gateway reads it; the tree is bound to the backend's domain. */
export interface ImportedSearch extends Translation {
  readonly name: string;
  readonly owner: string;
  /** Of type `general`: for everyone at the site. */
  readonly general: boolean;
}

export const SAVED_SEARCHES = 'ocs-saved-searches';
const MOST = 10_000;

/**
 * Reads the saved searches of the site from its index, by owner and name.
 * @param entry the backend's part of the configuration
 * @throws MpdError when the index cannot be read or has more than 10 000 of them
 */
export async function readSavedSearches(
  entry: Readonly<Record<string, unknown>>,
  options: { readonly guard: Guard; readonly signal: AbortSignal; readonly index?: string },
): Promise<readonly ImportedSearch[]> {
  const config = dataDriveConfig(entry);
  const http = createHttp(options.guard.allowing(rulesOf(config)));
  const search = createSearch(config.elasticsearch, http, config.login ? createLogin(config.login, http) : null);
  const { products } = await loadMapping(config.mapping ?? bundledMapping('datadrive.yaml'));
  const catalogue = await createCatalogue(config, search, products, await objectTypesOf(config)).current(
    options.signal,
  );
  const fieldMap = fieldMapOf(catalogue, config);
  const index = options.index ?? SAVED_SEARCHES;
  const body = { size: MOST, track_total_hits: true, query: { match_all: {} } };
  const answer = await search
    .search(`/${encodeURIComponent(index)}/_search`, body, options.signal)
    .catch((error: Error) => {
      if (options.signal.aborted) throw error;
      const kind = error instanceof MpdError ? error.class : 'target-down';
      throw fault(`the saved searches cannot be read from ${index}: ${error.message}`, kind, error);
    });
  const { hits } = answer.hits;
  if (foundIn(answer.hits) > hits.length) throw fault(`${index} has more than ${MOST} saved searches`, 'fatal');
  const found = hits.map(({ _id, _source }) => {
    const { ss_name: name, ss_owner: owner, ss_type: type, ss_query: query } = _source;
    const { tree, unsupported } = translateSearch(query, fieldMap);
    return {
      name: typeof name === 'string' ? name : _id,
      owner: typeof owner === 'string' ? owner : '',
      general: type === 'general',
      tree: tree && { all: [ofBackend(config), tree] },
      unsupported,
    };
  });
  return found.sort((a, b) => order(a.owner, b.owner) || order(a.name, b.name));
}

/** A saved search finds files of its site only. */
const ofBackend = ({ domain, packageDomains }: DataDriveConfig): FilterTree => ({
  domain: packageDomains ? [...domain, '*'] : domain,
});

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
