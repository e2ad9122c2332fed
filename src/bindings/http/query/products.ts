import type { Search } from '../../../client/http/wire/index.js';
import type { Gateway, Principal, ProductQuery } from '../../../gateway/api.js';
import { checkWindow, compileFilter, compileTree, type FilterTree, namesIn } from '../../../mpd/filter/index.js';
import {
  type AttributeFilter,
  invalid,
  isMpdError,
  type ProductFilter,
  type ProductType,
  type TimeWindow,
} from '../../../mpd/index.js';
import type { PrefixParam } from '../route.js';
import { parseAttributeFilter } from './attributes.js';
import { intervalParam } from './interval.js';
import { domainParam, repeatable, textParam } from './params.js';

/** Query parameters that select products. */
export const productParams = {
  type: repeatable(textParam('Product type; given more than once: any of them.', 'TelemetryPackets')),
  domain: domainParam,
  source: repeatable(textParam('Source; given more than once: any of them.')),
  attr: {
    prefix: 'attr.',
    schema: { type: 'string' },
    doc: 'Attribute filter `attr.NAME=`: `a,b` one of, `lo..hi` a range with open ends allowed, `~regex` a pattern (RE2); a leading `!` excludes; `\\` escapes. A product without the attribute never passes.',
    example: { 'attr.apid': '100..200' },
  } satisfies PrefixParam,
  created: intervalParam('Creation time.'),
  content: intervalParam('Content period; products that overlap it.'),
  filter: textParam('Named filter `@owner/name`, or `@name` of your own.'),
} as const;

export interface ProductParams {
  readonly type: readonly string[];
  readonly domain: readonly string[] | null;
  readonly source: readonly string[];
  readonly attr: readonly (readonly [string, string])[];
  readonly created: TimeWindow | null;
  readonly content: TimeWindow | null;
  readonly filter: string | null;
}

/** @throws MpdError Invalid naming the parameter */
export async function queryOfParams(
  params: ProductParams,
  gateway: Gateway,
  principal: Principal,
): Promise<ProductQuery> {
  const known = params.type.length > 0 || params.attr.length > 0 ? await gateway.catalogue.types(principal) : [];
  checkTypes(params.type, known, 'type');
  const chosen = params.type.length === 0 ? known : known.filter((type) => params.type.includes(type.name));
  const [single] = params.type;
  const filter: ProductFilter = {
    productType: params.type.length === 1 ? single! : null,
    domain: params.domain,
    sources: params.source.length === 0 ? null : params.source,
    attributeFilter:
      params.attr.length === 0 ? null : params.attr.map(([name, text]) => checkedAttribute(name, text, chosen)),
  };
  const parts: FilterTree[] = [];
  if (Object.values(filter).some((part) => part !== null)) parts.push({ filter });
  if (params.type.length > 1) parts.push({ productTypes: [...new Set(params.type)] });
  if (params.filter !== null) parts.push({ named: params.filter.replace(/^@/, '') });
  return { filter: both(parts), created: params.created, content: params.content };
}

/** @throws MpdError Invalid naming the field */
export async function queryOfSearch(search: Search, gateway: Gateway, principal: Principal): Promise<ProductQuery> {
  const tree = search.tree ?? null;
  const productFilter = search.productFilter ?? null;
  const named = [
    ...(productFilter?.productType == null
      ? []
      : [{ name: productFilter.productType, field: 'productFilter.productType' }]),
    ...(tree === null ? [] : typesIn(tree, 'tree')),
  ];
  if (named.length > 0) {
    const known = await gateway.catalogue.types(principal);
    for (const { name, field } of named) checkTypes([name], known, field);
  }
  if (productFilter !== null) compileFilter(productFilter, 'productFilter');
  if (tree !== null && namesIn(tree).length === 0) compileTree(tree, 'tree');
  checkWindow(search.created ?? null, 'created');
  checkWindow(search.content ?? null, 'content');
  const parts: FilterTree[] = [];
  if (productFilter !== null) parts.push({ filter: productFilter });
  if (tree !== null) parts.push(tree);
  return { filter: both(parts), created: search.created ?? null, content: search.content ?? null };
}

function checkedAttribute(name: string, text: string, types: readonly ProductType[]): AttributeFilter {
  const field = `attr.${name}`;
  const filter = parseAttributeFilter(name, text, types, field);
  try {
    compileFilter({ productType: null, domain: null, sources: null, attributeFilter: [filter] }, field);
  } catch (error) {
    if (!isMpdError(error, 'Invalid')) throw error;
    throw invalid(field, error.message.replace(`${error.field}: `, ''), error);
  }
  return filter;
}

const both = (parts: readonly FilterTree[]): FilterTree | null =>
  parts.length === 0 ? null : parts.length === 1 ? parts[0]! : { all: parts };

function typesIn(tree: FilterTree, field: string): { readonly name: string; readonly field: string }[] {
  if ('all' in tree) return tree.all.flatMap((node, i) => typesIn(node, `${field}.all[${i}]`));
  if ('any' in tree) return tree.any.flatMap((node, i) => typesIn(node, `${field}.any[${i}]`));
  if ('not' in tree) return typesIn(tree.not, `${field}.not`);
  if ('productTypes' in tree)
    return tree.productTypes.map((name, i) => ({ name, field: `${field}.productTypes[${i}]` }));
  if ('filter' in tree && tree.filter.productType !== null) {
    return [{ name: tree.filter.productType, field: `${field}.filter.productType` }];
  }
  return [];
}

function checkTypes(names: readonly string[], known: readonly ProductType[], field: string): void {
  for (const name of names) {
    if (known.some((type) => type.name === name)) continue;
    const list = known
      .map((type) => type.name)
      .slice(0, 20)
      .join(', ');
    throw invalid(field, `there is no product type ${JSON.stringify(name)}${list === '' ? '' : `; there are ${list}`}`);
  }
}
