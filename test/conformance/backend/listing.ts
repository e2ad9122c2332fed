import { expect, it } from 'vitest';
import type { BackendQuery, Listed } from '../../../src/gateway/backend.js';
import { compareUtf8, type ObjectRef } from '../../../src/mal/index.js';
import { domainMatches } from '../../../src/mpd/filter/index.js';
import { isMpdError } from '../../../src/mpd/index.js';
import type { Holding } from './holding.js';
import { ALL, all, keyOf, SECOND, take } from './reading.js';

/** `list`, `get` and `productTypes`. */
export function listingRules(held: Holding): void {
  it('takes orders for the system when it says so, and only then', () => {
    expect(held.backend.upstream !== undefined).toBe(held.backend.capabilities.upstream);
  });

  it('lists each product once, under its domains, with a type that it declares', async () => {
    const entries = (await all(held.backend)).map(({ entry }) => entry);
    expect(entries.map(keyOf).sort()).toEqual([...held.contents.keys()].sort());
    const types = new Map((await held.backend.productTypes()).map((type) => [type.name, type]));
    for (const { metadata } of entries) {
      const { domain } = metadata.productRef;
      expect(held.backend.domains.some((prefix) => domainMatches(domain, [...prefix, '*']))).toBe(true);
      const declared = types.get(metadata.productType.name);
      expect(declared, metadata.productType.name).toBeDefined();
      const defs = new Map(declared?.attributeDefs?.map((def) => [def.name, def.attributeType]));
      for (const { name: attribute, value } of metadata.attributes ?? []) {
        if (value !== null) expect(defs.get(attribute)).toBe(value.type.toUpperCase());
      }
      expect(metadata.contentDate.start <= metadata.contentDate.end).toBe(true);
    }
  });

  it.each(['created', 'updated'] as const)('lists by %s time, then by key in byte order', async (order) => {
    const listed = await all(held.backend, ALL, order);
    expect(listed).toHaveLength(held.contents.size);
    const sorted = [...listed].sort((a, b) => compareListed(a, b, order));
    expect(listed.map(({ entry }) => keyOf(entry))).toEqual(sorted.map(({ entry }) => keyOf(entry)));
  });

  it.each(['created', 'updated'] as const)('resumes exactly after every position, by %s time', async (order) => {
    const listed = await all(held.backend, ALL, order);
    for (const [index, { position }] of listed.entries()) {
      const rest = await take(held.backend, ALL, { order, after: position, limit: 1000 });
      expect(rest.map(({ entry }) => keyOf(entry))).toEqual(listed.slice(index + 1).map(({ entry }) => keyOf(entry)));
    }
  });

  it('gives positions that another instance understands', async () => {
    const listed = await all(held.backend);
    held.backend = await held.system.restart(async () => undefined);
    const rest = await take(held.backend, ALL, { order: 'created', after: listed[4]!.position, limit: 1000 });
    expect(rest.map(({ entry }) => keyOf(entry))).toEqual(listed.slice(5).map(({ entry }) => keyOf(entry)));
  });

  it('refuses a position that it never gave', async () => {
    await expect(take(held.backend, ALL, { order: 'created', after: '{no position}', limit: 5 })).rejects.toSatisfy(
      (error) => isMpdError(error, 'Invalid'),
    );
  });

  it('ends a listing when the signal aborts', async () => {
    const control = new AbortController();
    const reading = (async () => {
      for await (const _ of held.backend.list(ALL, { order: 'created', limit: 2, signal: control.signal }))
        control.abort();
    })();
    await expect(reading).rejects.toThrow();
  });

  it('leaves nothing out that lies in the windows, ends included', async () => {
    const entries = (await all(held.backend)).map(({ entry }) => entry);
    for (const { metadata, updatedAt } of entries) {
      const { creationDate: at, contentDate } = metadata;
      const queries: Partial<BackendQuery>[] = [
        { created: { start: at, end: at } },
        { content: { start: contentDate.end, end: contentDate.end + SECOND } },
        { content: { start: contentDate.start - SECOND, end: contentDate.start } },
        { updated: { start: updatedAt, end: updatedAt } },
      ];
      for (const query of queries) {
        const found = await all(held.backend, { ...ALL, ...query });
        expect(found.map(({ entry }) => keyOf(entry))).toContain(metadata.productRef.key);
      }
    }
  });

  it('gets entries index by index, as listed; unknown and old ones are unknown', async () => {
    const [first, second] = (await all(held.backend)).map(({ entry }) => entry);
    const ref = first!.metadata.productRef;
    const refs: ObjectRef[] = [
      { ...ref, key: `${ref.key}-absent` },
      ref,
      { ...ref, version: ref.version === 0 ? 1 : ref.version - 1 },
      second!.metadata.productRef,
      { ...ref, domain: [...ref.domain, 'elsewhere'] },
      ref,
    ];
    expect(await held.backend.get(refs)).toEqual(['unknown', first, 'unknown', second, 'unknown', first]);
    expect(await held.backend.get([])).toEqual([]);
  });
}

function compareListed(a: Listed, b: Listed, order: 'created' | 'updated'): number {
  const time = ({ entry }: Listed): bigint => (order === 'created' ? entry.metadata.creationDate : entry.updatedAt);
  if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
  return compareUtf8(keyOf(a.entry), keyOf(b.entry));
}
