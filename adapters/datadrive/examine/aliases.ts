import type { Examined } from '../../../src/gateway/examine.js';
import { MpdError } from '../../../src/mpd/index.js';
import { isWanted, mergeTables, readAliases, readTables } from '../catalogue.js';
import type { DataDriveConfig } from '../config.js';
import { alwaysClauses } from '../query.js';
import type { FieldTable } from '../schema.js';
import { foundIn, type SearchClient, SearchError } from '../search.js';
import type { Examination } from './examination.js';
import { bad, good, listed, messageOf } from './findings.js';

/** The server, the login, and what each alias holds. */
export async function* examineAliases(
  { config, search }: Examination,
  tables: Map<string, FieldTable>,
  readable: string[],
  signal: AbortSignal,
): AsyncGenerator<Examined> {
  const { url, aliases: patterns } = config.elasticsearch;
  let names: ReadonlyMap<string, readonly string[]>;
  try {
    names = await readAliases(search, signal);
  } catch (error) {
    yield bad('elasticsearch', `${url}: ${messageOf(error)}`, loginAdvice(config, error));
    return;
  }
  yield good('elasticsearch', `${url} answers, and ${loginText(config)}`);
  for (const pattern of patterns ?? [])
    if (![...names.keys()].some((name) => isWanted(name, [pattern])))
      yield bad(
        `alias ${pattern}`,
        'no alias or index has this name',
        `correct elasticsearch.aliases; there are: ${listed([...names.keys()].sort()) || 'none that this login may see'}`,
      );
  for (const [alias, indices] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!isWanted(alias, patterns)) continue;
    const about = `of ${indices.length === 1 ? `index ${indices[0]}` : `indices ${listed(indices)}`}`;
    try {
      const table = mergeTables(await readTables(alias, indices, search, signal));
      if (!table.has(config.fields.id)) {
        const found = `${about}: has no field ${config.fields.id}, so it is left out`;
        if (patterns)
          yield bad(`alias ${alias}`, found, 'take it from elasticsearch.aliases, or correct fields.id (see below)');
        continue;
      }
      tables.set(alias, table);
      const count = await countText(alias, config, search, signal);
      readable.push(alias);
      yield good(`alias ${alias}`, `${about}: ${count}`);
    } catch (error) {
      const refused = error instanceof MpdError && error.class === 'target-down';
      const todo = refused ? 'give this login the right to read it' : 'ask who runs the server';
      yield bad(`alias ${alias}`, `${about}: ${messageOf(error)}`, todo);
    }
  }
  if (tables.size === 0)
    yield bad(
      'index',
      `no alias holds file documents: none maps the field ${config.fields.id}`,
      'correct elasticsearch.aliases, or name the field of the id under fields.id',
    );
}

async function countText(
  alias: string,
  config: DataDriveConfig,
  search: SearchClient,
  signal: AbortSignal,
): Promise<string> {
  const body = {
    ...{ size: 0, track_total_hits: true, query: { bool: { filter: alwaysClauses(config) } } },
    aggs: { types: { terms: { field: config.fields.type, size: 100 } } },
  };
  const answer = await search.search(`/${encodeURIComponent(alias)}/_search`, body, signal);
  const count = foundIn(answer.hits);
  const types = (answer.aggregations?.types?.buckets ?? []).map(({ key }) => String(key));
  if (types.length === 0) return `${count} files`;
  return `${count} files of ${types.length === 1 ? 'type' : 'types'} ${listed(types)}`;
}

function loginText({ elasticsearch, login }: DataDriveConfig): string {
  const { apiKey, username, cookie } = elasticsearch;
  if (apiKey) return 'the API key is taken';
  if (username) return `the user ${username} is taken`;
  return cookie ? `the cookie of the ${login?.family.toUpperCase()} login is taken` : 'asks for no login';
}

function loginAdvice({ elasticsearch }: DataDriveConfig, error: unknown): string {
  const refused = error instanceof MpdError ? error.class === 'target-down' : error instanceof SearchError;
  if (!refused)
    return / answered \d/.test(messageOf(error))
      ? 'it is there and does not work: ask who runs it'
      : 'see elasticsearch.url, and whether this machine may connect to it';
  const { apiKey, username, cookie } = elasticsearch;
  if (apiKey) return 'correct elasticsearch.apiKey';
  if (username) return 'correct elasticsearch.username and elasticsearch.password';
  return cookie ? 'renew the token of login' : 'set elasticsearch.apiKey, or username and password, or cookie: true';
}
