import type { Command } from 'commander';
import { parseAttributeFilter } from '../../bindings/http/query/attributes.js';
import type { ProductQuery } from '../../client/index.js';
import type { FilterTree } from '../../mpd/filter/index.js';
import {
  type AttributeDef,
  isMpdError,
  type ProductFilter,
  type ProductType,
  type TimeWindow,
} from '../../mpd/index.js';
import type { Context } from '../context.js';
import { usage } from '../exit-codes.js';
import { notOverMal, refuseOverMal, type WireClients } from '../wire.js';
import { collect, domain, interval } from './arguments.js';
import { readTree } from './files.js';

/** What selects products on every command that takes products; the same words as in the HTTP interface. */
export interface SelectionOptions {
  readonly type?: readonly string[];
  readonly domain?: readonly string[];
  readonly source?: readonly string[];
  readonly attr?: readonly string[];
  readonly path?: string;
  readonly filter?: string;
  readonly tree?: string;
}
export interface WindowOptions {
  readonly created?: TimeWindow;
  readonly content?: TimeWindow;
}

export const selectionOptions = (command: Command): Command =>
  command
    .option('-t, --type <name>', 'product type; more than once: any of them', collect)
    .option('-d, --domain <domain>', 'domain such as esa.solo; esa.* takes in everything below', domain)
    .option('-s, --source <name>', 'source; more than once: any of them', collect)
    .option(
      '-a, --attr <name=value>',
      'attribute: a,b one of; lo..hi range; ~regex pattern; a leading ! excludes',
      collect,
    )
    .option('-p, --path <prefix>', 'beginning of the path in the folder view')
    .option('-f, --filter <owner/name>', 'a filter kept at the gateway')
    .option('--tree <json>', 'filter tree as JSON or YAML, @file, or - for standard input');

export const windowOptions = (command: Command): Command =>
  command
    .option('--created <interval>', 'creation time, ISO 8601: start/end, start/P1D, ../end', interval)
    .option('--content <interval>', 'content period; products that overlap it', interval);

/** The standard's filter as far as it reaches, a tree for the rest. */
export interface Selection {
  readonly productFilter: ProductFilter | null;
  readonly tree: FilterTree | null;
}

type Clients = Pick<WireClients, 'client' | 'http'>;

const OVER_HTTP = {
  path: 'MPD has no folders; --domain and --attr narrow what is wanted',
  filter: 'MPD keeps no filters; say what it selects by --type, --domain, --source and --attr',
  tree: 'a ProductFilter of the standard has no any and no not; its parts all hold',
};

/** Asks for the product types when attributes are given: their types say how values are read. */
export async function readSelection(options: SelectionOptions, clients: Clients, context: Context): Promise<Selection> {
  const { type = [], source, attr = [] } = options;
  if (clients.http === null) {
    refuseOverMal(options, OVER_HTTP);
    if (type.length > 1)
      throw notOverMal('more than one --type', 'a ProductFilter of the standard has one type or any');
  }
  const attributes = attr.length === 0 ? null : await readAttributes(attr, options, clients, context);
  const productFilter: ProductFilter = {
    productType: type.length === 1 ? type[0]! : null,
    domain: options.domain ?? null,
    sources: source ?? null,
    attributeFilter: attributes,
  };
  const parts: FilterTree[] = [];
  if (type.length > 1) parts.push({ productTypes: type });
  if (options.path !== undefined) parts.push({ pathPrefix: options.path });
  if (options.filter !== undefined) parts.push({ named: options.filter.replace(/^@/, '') });
  if (options.tree !== undefined) parts.push(await readTree(context, options.tree, '--tree'));
  return {
    productFilter: Object.values(productFilter).some((part) => part !== null) ? productFilter : null,
    tree: parts.length === 0 ? null : parts.length === 1 ? parts[0]! : { all: parts },
  };
}

async function readAttributes(attr: readonly string[], options: SelectionOptions, clients: Clients, context: Context) {
  const chosen = options.type ?? [];
  const known = await (clients.http?.types({ signal: context.signal }) ?? listedTypes(options, clients, context));
  const types = chosen.length === 0 ? known : known.filter(({ name }) => chosen.includes(name));
  return attr.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`--attr: expected name=value, not ${JSON.stringify(text)}`);
    const name = text.slice(0, at);
    return parseAttributeFilter(name, text.slice(at + 1), types, `--attr ${name}`);
  });
}

/** The types as products tell them, which is the only way there is over MAL. */
async function listedTypes(
  { type = [], domain: asked, source }: SelectionOptions,
  { client }: Clients,
  { signal }: Context,
): Promise<readonly ProductType[]> {
  const productFilter = {
    productType: type[0] ?? null,
    domain: asked ?? null,
    sources: source ?? null,
    attributeFilter: null,
  };
  const types = new Map<string, ProductType>();
  try {
    for await (const { metadata } of client.listProducts({ productFilter }, { signal })) {
      const { productType, attributes } = metadata;
      const known = types.get(productType.name) ?? { ...productType, attributeDefs: productType.attributeDefs ?? [] };
      const defs = new Map(known.attributeDefs!.map((def) => [def.name, def]));
      // Providers need not declare what their products have.
      for (const { name, value } of attributes ?? []) {
        if (value === null || defs.has(name)) continue;
        const attributeType = value.type.toUpperCase() as AttributeDef['attributeType'];
        defs.set(name, { name, attributeType, units: null, description: null });
      }
      types.set(productType.name, { ...known, attributeDefs: [...defs.values()] });
    }
  } catch (error) {
    if (!isMpdError(error, 'Too Many')) throw error;
    throw notOverMal(
      '--attr on so many products',
      'the types of attributes are only told by products, and the provider lists no more than its limit; narrow by --type and --domain',
    );
  }
  return [...types.values()];
}

export async function readQuery(
  options: SelectionOptions & WindowOptions,
  clients: Clients,
  context: Context,
): Promise<ProductQuery> {
  return {
    ...(await readSelection(options, clients, context)),
    created: options.created ?? null,
    content: options.content ?? null,
  };
}
