import { describe, expect, it } from 'vitest';
import type { ProductFilter, ProductMetadata } from '../types.js';
import { filterBounds } from './bounds.js';
import { expandGroups, type TypeGroup } from './groups.js';
import { compileTree, type FilterTree } from './tree.js';

const octet = (name: string, ...values: number[]) => ({
  type: 'ValueSet' as const,
  name,
  include: true,
  values: values.map((value) => ({ type: 'UOctet' as const, value })),
});
const GROUPS: readonly TypeGroup[] = [
  {
    name: 'PktTc',
    description: null,
    members: [
      { type: 'PktTcReport', attributeFilter: [] },
      { type: 'PktTcRaw', attributeFilter: [] },
    ],
  },
  { name: 'PktEv', description: null, members: [{ type: 'PktTmRaw', attributeFilter: [octet('serviceType', 5)] }] },
  { name: 'PktEv', description: null, members: [{ type: 'EventLog', attributeFilter: [] }] },
];
const asked = (productType: string | null, more: Partial<ProductFilter> = {}): FilterTree => ({
  filter: { productType, domain: null, sources: null, attributeFilter: null, ...more },
});
const product = (type: string, serviceType: number, subtype = 1): ProductMetadata => ({
  productType: { name: type, description: null, attributeDefs: null },
  productRef: { domain: ['esa'], type: 'Product', key: `${type}${serviceType}`, version: 1 },
  creationDate: 0n,
  source: null,
  externalURI: null,
  contentDate: { start: 0n, end: 0n },
  attributes: [
    { name: 'serviceType', value: { type: 'UOctet', value: serviceType } },
    { name: 'subtype', value: { type: 'UOctet', value: subtype } },
  ],
  description: null,
  fileMetadata: null,
  checksum: null,
});
const ALL = [
  product('PktTmRaw', 3),
  product('PktTmRaw', 5),
  product('PktTmRaw', 5, 2),
  product('PktTcReport', 5),
  product('PktTcRaw', 3),
  product('EventLog', 0),
  product('PktTc', 0),
];
const found = (tree: FilterTree): string[] =>
  ALL.filter((metadata) => compileTree(expandGroups(tree, GROUPS))(metadata, null)).map(
    ({ productRef, attributes }) => `${productRef.key}.${String(attributes![1]!.value!.value)}`,
  );

describe('type groups', () => {
  it('stand for their members in a filter, with what the filter asks beside', () => {
    expect(found(asked('PktTc'))).toEqual(['PktTcReport5.1', 'PktTcRaw3.1']);
    expect(found(asked('PktTc', { attributeFilter: [octet('serviceType', 3)] }))).toEqual(['PktTcRaw3.1']);
    expect(found(asked('PktTc', { domain: ['nasa'] }))).toEqual([]);
  });
  it('may take only some products of a type, and be declared by several systems', () => {
    expect(found(asked('PktEv'))).toEqual(['PktTmRaw5.1', 'PktTmRaw5.2', 'EventLog0.1']);
    expect(found(asked('PktEv', { attributeFilter: [octet('subtype', 2)] }))).toEqual(['PktTmRaw5.2']);
  });
  it('are found wherever a tree names types', () => {
    expect(found({ productTypes: ['PktTcRaw', 'PktEv'] })).toEqual([
      'PktTmRaw5.1',
      'PktTmRaw5.2',
      'PktTcRaw3.1',
      'EventLog0.1',
    ]);
    expect(found({ all: [{ not: { productTypes: ['PktTc'] } }, { not: asked('PktEv') }] })).toEqual([
      'PktTmRaw3.1',
      'PktTc0.1',
    ]);
  });
  it('leave what names no group as it is', () => {
    const tree: FilterTree = { any: [asked(null), asked('PktTmRaw'), { productTypes: ['PktTcRaw'] }] };
    expect(expandGroups(tree, GROUPS)).toEqual(tree);
    expect(expandGroups(asked('PktTc'), [])).toEqual(asked('PktTc'));
  });
  it('bound a search to the types of their members', () => {
    expect(filterBounds(expandGroups(asked('PktTc'), GROUPS)).productTypes).toEqual(['PktTcReport', 'PktTcRaw']);
  });
});
