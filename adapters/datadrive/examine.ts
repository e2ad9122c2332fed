import type { Examined } from '../../src/gateway/examine.js';
import type { ProductRules } from '../../src/mapping/index.js';
import { MpdError } from '../../src/mpd/index.js';
import { isWanted, mergeTables, readAliases, readTables } from './catalogue.js';
import { bodiesOf, type DataDriveConfig } from './config.js';
import { discard, type Http } from './http.js';
import type { Login } from './login.js';
import { alwaysClauses } from './query.js';
import type { EventQueue } from './queue.js';
import { numberOf, siteField, textOf } from './record.js';
import type { FieldKind, FieldTable } from './schema.js';
import { foundIn, type SearchClient, SearchError } from './search.js';
import type { ByteSource } from './source.js';

/** What is looked at, and with what. */
export interface Examination {
  readonly config: DataDriveConfig;
  readonly search: SearchClient;
  readonly bytes: ByteSource;
  readonly http: Http;
  readonly login: Login | null;
  readonly queue: EventQueue | null;
  /** The mapping table alone, without what is made for object types. */
  readonly products: ProductRules;
}

type Fields = DataDriveConfig['fields'];
type Tables = ReadonlyMap<string, FieldTable>;

const good = (part: string, found: string): Examined => ({ part, state: 'ok', found, todo: null });
const warning = (part: string, found: string, todo: string): Examined => ({ part, state: 'warning', found, todo });
const bad = (part: string, found: string, todo: string): Examined => ({ part, state: 'bad', found, todo });
const messageOf = (error: unknown): string => (error as Error).message;
const listed = (names: readonly string[], most = 12): string =>
  names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', ');

/** Everything that the configuration names: the index and its aliases, each field, each bucket, the endpoints, and a sample of each alias. */
export async function* examine(examination: Examination, signal: AbortSignal): AsyncGenerator<Examined> {
  const { config, bytes } = examination;
  const tables = new Map<string, FieldTable>();
  const readable: string[] = [];
  yield* examineIndex(examination, tables, readable, signal);
  if (tables.size > 0) {
    yield* examineFields(config, tables);
    yield* examineMapping(examination, tables);
  }
  yield* examineStore(config, bytes, signal);
  for (const alias of readable) yield await examineSample(alias, examination, signal);
  if (config.middleware) yield await examineMiddleware(examination, config.middleware.url, signal);
  if (config.queue && examination.queue) yield await examineQueue(config.queue.url, examination.queue, signal);
}

async function* examineIndex(
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

const KEYWORD: readonly FieldKind[] = ['keyword'];
const DATE: readonly FieldKind[] = ['date', 'date-nanos'];

/** What each system field has to be, and what is missing without it. `null`: nothing works without it. */
const ROLES: Readonly<
  Record<keyof Fields, { readonly kinds: readonly FieldKind[] | null; readonly without: string | null }>
> = {
  id: { kinds: KEYWORD, without: null },
  package: { kinds: KEYWORD, without: null },
  type: { kinds: KEYWORD, without: null },
  url: { kinds: null, without: null },
  created: { kinds: DATE, without: null },
  updated: { kinds: DATE, without: null },
  fullName: { kinds: KEYWORD, without: 'no folders, no rights by path, and namesakes are not told apart' },
  name: { kinds: null, without: 'delivered files are named by their id' },
  size: { kinds: null, without: 'sizes are not known before a transfer' },
  etag: { kinds: null, without: 'a change of bytes is told by the update time alone' },
  owner: { kinds: null, without: 'products have no source' },
  extension: { kinds: null, without: 'the MIME type is guessed from the name' },
};

function* examineFields({ fields, packageDomains, packages }: DataDriveConfig, tables: Tables): Generator<Examined> {
  for (const [role, { kinds, without }] of Object.entries(ROLES) as [keyof Fields, (typeof ROLES)[keyof Fields]][]) {
    const field = fields[role];
    const part = `field ${role} = ${field}`;
    const lacking = [...tables].filter(([, table]) => !table.has(field)).map(([alias]) => alias);
    const odd = [...tables].filter(([, table]) => kinds && !kinds.includes(table.get(field)?.kind ?? kinds[0]!));
    const todo = `name the field that holds it under fields.${role}; ${candidates(role, kinds, tables)}`;
    const needed = without === null && !(role === 'package' && !packageDomains && !packages);
    if (lacking.length > 0) {
      const found = `not in the mapping of ${listed(lacking)}`;
      yield needed ? bad(part, found, todo) : warning(part, `${found}: ${without ?? 'not used'}`, todo);
    } else if (odd.length > 0) {
      const found = odd.map(([alias, table]) => `${table.get(field)?.kind} in ${alias}`).join(', ');
      yield bad(part, `is ${found}, and has to be ${kinds?.join(' or ')}`, todo);
    } else yield good(part, `in all ${tables.size} aliases, ${[...tables.values()][0]?.get(field)?.kind}`);
  }
}

function candidates(role: keyof Fields, kinds: readonly FieldKind[] | null, tables: Tables): string {
  const word = role.replace('fullName', 'name').replace('extension', 'ext').toLowerCase();
  const fitting = new Set<string>();
  for (const table of tables.values())
    for (const [name, { kind }] of table)
      if (kinds === DATE ? DATE.includes(kind) : name.toLowerCase().includes(word)) fitting.add(name);
  const of = kinds === DATE ? 'dates' : `fields with “${word}”`;
  return `${of} there: ${listed([...fitting].sort()) || 'none'}`;
}

/** Fields that the mapping table reads, apart from the system fields. */
function* examineMapping({ config, products }: Examination, tables: Tables): Generator<Examined> {
  const system = new Set(Object.values(config.fields));
  for (const [field, uses] of fieldsRead(products)) {
    const name = siteField(field, config.fields);
    if (system.has(name)) continue;
    const base = name.replace(/\.(gte|lte)$/, '');
    const having = [...tables].filter(([, table]) => table.has(name) || table.get(base)?.range).map(([alias]) => alias);
    const part = `mapping ${name}`;
    const what = listed([...uses]);
    if (having.length > 0) yield good(part, `${what}: in ${listed(having)}`);
    else if (config.mapping === undefined) yield good(part, `${what}: in no alias, so never there`);
    else yield warning(part, `${what}: in no alias, so never there`, `correct or remove it in ${config.mapping}`);
  }
}

function fieldsRead({ common, types }: ProductRules): ReadonlyMap<string, ReadonlySet<string>> {
  const read = new Map<string, Set<string>>();
  const add = (fields: readonly string[], use: string): void => {
    for (const field of fields) read.set(field, (read.get(field) ?? new Set()).add(use));
  };
  for (const rule of [common, ...types]) {
    for (const part of ['created', 'contentStart', 'contentEnd', 'source', 'text', 'fileName', 'mime'] as const) {
      const source = rule[part];
      if (source && typeof source === 'object' && 'from' in source) add(source.from, part);
    }
    for (const { algorithm, from } of rule.claim ?? []) add(from, `checksum ${algorithm}`);
    for (const { name, from } of rule.attributes) add(from, `attribute ${name}`);
  }
  return read;
}

async function* examineStore(
  config: DataDriveConfig,
  bytes: ByteSource,
  signal: AbortSignal,
): AsyncGenerator<Examined> {
  const faults = await bytes.check(signal).catch((error) => [messageOf(error)]);
  if (bodiesOf(config) === 'pep') {
    const part = `data endpoint ${config.pep?.url}`;
    if (faults.length === 0) yield good(part, 'answers, and the login is taken');
    for (const fault of faults) yield bad(part, fault, 'see pep.url and login');
    return;
  }
  const at = config.s3?.endpoint ?? `AWS (${config.s3?.region})`;
  for (const bucket of config.s3?.buckets ?? []) {
    const fault = faults.find((text) => text.startsWith(`bucket ${bucket}: `));
    if (fault === undefined) yield good(`bucket ${bucket}`, `can be read at ${at}`);
    else
      yield bad(
        `bucket ${bucket}`,
        `${fault.slice(`bucket ${bucket}: `.length)} at ${at}`,
        fault.endsWith('does not exist')
          ? 'correct s3.buckets, or s3.endpoint where it is another store'
          : 'see s3.accessKeyId and secretAccessKey, s3.endpoint and s3.region, and the rights of the account',
      );
  }
}

/** Reads the beginning of the newest file of an alias. */
async function examineSample(
  alias: string,
  { config, search, bytes }: Examination,
  signal: AbortSignal,
): Promise<Examined> {
  const { fields } = config;
  const part = `sample of ${alias}`;
  try {
    const body = {
      ...{ size: 1, track_total_hits: false, query: { bool: { filter: alwaysClauses(config) } } },
      sort: [{ [fields.updated]: { order: 'desc', unmapped_type: 'date' } }],
    };
    const [hit] = (await search.search(`/${encodeURIComponent(alias)}/_search`, body, signal)).hits.hits;
    if (!hit) return good(part, 'there is no file yet');
    const url = textOf(hit._source, fields.url) ?? '';
    const about = `${textOf(hit._source, fields.fullName) ?? textOf(hit._source, fields.id)} at ${url}`;
    const etag = textOf(hit._source, fields.etag)?.replaceAll('"', '') || null;
    const answer = await bytes.fetch(url, { offset: 0, etag, signal });
    if (answer === 'missing') return bad(part, `${about}: no such object`, `see whether ${fields.url} is its place`);
    if (answer === 'changed')
      return bad(
        part,
        `${about}: its ETag is not ${etag}`,
        `where ${fields.etag} is not the ETag of the store: s3.checkEtag: false`,
      );
    answer.stream.destroy();
    const size = numberOf(hit._source, fields.size);
    if (size !== null && answer.size !== null && size !== answer.size)
      return bad(
        part,
        `${about}: ${answer.size} bytes, the index says ${size}`,
        `see whether ${fields.size} is in bytes`,
      );
    return good(part, `${about}: can be read`);
  } catch (error) {
    return bad(part, messageOf(error), 'list its bucket under s3.buckets, or see what the lines above say');
  }
}

async function examineMiddleware({ http, login }: Examination, url: string, signal: AbortSignal): Promise<Examined> {
  const part = `event feed ${url}`;
  try {
    const response = await http(`${url}/`, { headers: { cookie: (await login?.cookie()) ?? '' }, signal });
    discard(response);
    const { statusCode = 0 } = response;
    if (statusCode === 401) return bad(part, 'does not take the login (401)', 'renew the token of login');
    if (statusCode >= 400) return bad(part, `answered ${statusCode}`, 'see middleware.url');
    return good(part, 'answers, and the login is taken');
  } catch (error) {
    return bad(part, messageOf(error), 'see middleware.url and login; without the feed changes are found by polling');
  }
}

async function examineQueue(url: string, queue: EventQueue, signal: AbortSignal): Promise<Examined> {
  const part = `event queue ${url}`;
  try {
    return good(part, `can be read, about ${await queue.waiting(signal)} messages wait`);
  } catch (error) {
    const advice = 'see queue.url, queue.region and the keys; without the queue changes are found by polling';
    return bad(part, messageOf(error), advice);
  }
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
