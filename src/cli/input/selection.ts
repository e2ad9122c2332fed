import type { Command } from 'commander';
import { parseAttributeFilter } from '../../bindings/http/query/attributes.js';
import type { HttpClient, ProductQuery } from '../../client/index.js';
import type { FilterTree } from '../../mpd/filter/index.js';
import type { ProductFilter, TimeWindow } from '../../mpd/index.js';
import type { Context } from '../context.js';
import { usage } from '../exit-codes.js';
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

/** Asks the gateway for its product types when attributes are given: their types say how values are read. */
export async function readSelection(
  options: SelectionOptions,
  client: HttpClient,
  context: Context,
): Promise<Selection> {
  const { type = [], source, attr = [] } = options;
  const attributes = attr.length === 0 ? null : await readAttributes(attr, type, client, context);
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

async function readAttributes(
  attr: readonly string[],
  chosen: readonly string[],
  client: HttpClient,
  { signal }: Context,
) {
  const known = await client.types({ signal });
  const types = chosen.length === 0 ? known : known.filter(({ name }) => chosen.includes(name));
  return attr.map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`--attr: expected name=value, not ${JSON.stringify(text)}`);
    const name = text.slice(0, at);
    return parseAttributeFilter(name, text.slice(at + 1), types, `--attr ${name}`);
  });
}

export async function readQuery(
  options: SelectionOptions & WindowOptions,
  client: HttpClient,
  context: Context,
): Promise<ProductQuery> {
  return {
    ...(await readSelection(options, client, context)),
    created: options.created ?? null,
    content: options.content ?? null,
  };
}
