import type { Kysely } from 'kysely';
import { compareObjectRefs, formatObjectRef, type ObjectRef } from '../../mal/index.js';
import { checkWindow, compileTree, expandGroups, filterBounds, resolveNamed } from '../../mpd/filter/index.js';
import { invalid, MpdError, type ProductType, tooMany, unknown } from '../../mpd/index.js';
import { conjunction } from '../access/sight.js';
import type { Access, Catalogue, NamedFilters, Principal, ProductQuery } from '../api.js';
import type { BackendQuery, Entry } from '../backend.js';
import type { Backends } from '../backends.js';
import { formsOf, requireForm } from '../forms.js';
import type { CoreTables } from '../schema.js';
import { refuseNul } from '../values.js';
import { resolverFor } from './filters.js';
import { listFolder } from './folders.js';
import { groupsOf, groupTypes } from './groups.js';
import { later } from './later.js';
import { backendsFor, decodeCursor, type Merged, mergeListings, visitListings } from './merge.js';

export interface CatalogueDependencies {
  readonly db: Kysely<CoreTables>;
  readonly backends: Backends;
  readonly access: Access;
  readonly filters: NamedFilters;
  /** Most entries of one page. */
  readonly pageLimit: number;
}

export function createCatalogue({ db, backends, access, filters, pageLimit }: CatalogueDependencies): Catalogue {
  /** What was asked and may be seen: where to list it, and how to refine that. */
  async function search(
    query: ProductQuery,
    options: { readonly after: string | undefined; readonly limit: number; readonly signal: AbortSignal },
    principal: Principal,
  ): Promise<Parameters<typeof mergeListings>> {
    checkWindow(query.created, 'created');
    checkWindow(query.content, 'content');
    const named = query.filter && (await resolveNamed(query.filter, resolverFor(filters, principal)));
    const asked = named && expandGroups(named, groupsOf(backends));
    refuseNul(asked, 'filter');
    const windows = [query.created && { created: query.created }, query.content && { content: query.content }];
    const matches = compileTree(conjunction(asked, ...windows));
    const filter = conjunction(asked, principal.policy);
    const pushed: BackendQuery = { filter, created: query.created, content: query.content, updated: null };
    const positions = options.after === undefined ? {} : decodeCursor(options.after);
    const keep = (entry: Entry): boolean => matches(entry.metadata, entry.path) && access.allows(principal, entry);
    return [backendsFor(backends.all, filter), pushed, { ...options, positions, keep }];
  }

  async function visible(
    refs: readonly ObjectRef[],
    principal: Principal,
    signal?: AbortSignal,
  ): Promise<(Entry | null)[]> {
    const found = new Array<Entry | null>(refs.length).fill(null);
    const wanted = new Map<string, number[]>();
    refs.forEach((ref, i) => {
      const owner = backends.find(ref.domain);
      if (!owner) return;
      const list = wanted.get(owner.id);
      if (list) list.push(i);
      else wanted.set(owner.id, [i]);
    });
    await Promise.all(
      [...wanted].map(async ([id, indexes]) => {
        const entries = await backends.byId(id)!.get(
          indexes.map((i) => refs[i]!),
          signal,
        );
        entries.forEach((entry, n) => {
          if (entry !== 'unknown' && access.allows(principal, entry)) found[indexes[n]!] = entry;
        });
      }),
    );
    return found;
  }

  return {
    async types(principal) {
      const byName = new Map<string, ProductType>();
      for (const list of await Promise.all(backends.all.map((backend) => backend.productTypes())))
        for (const type of list) byName.set(type.name, mergeTypes(byName.get(type.name), type));
      const visible = new Map([...byName].filter(([name]) => typeVisible(name, principal)));
      return [...visible.values(), ...groupTypes(groupsOf(backends), visible)];
    },

    async list(query, { after, limit, signal }, principal) {
      if (!Number.isInteger(limit) || limit < 1) throw invalid('limit', 'must be a whole number from 1');
      const most = Math.min(limit, pageLimit);
      const entries: Entry[] = [];
      let last: Merged | null = null;
      const found = mergeListings(...(await search(query, { after, limit: most + 1, signal }, principal)));
      for await (const merged of found) {
        if (entries.length === most) return { entries, next: last?.cursor ?? null };
        entries.push(merged.entry);
        last = merged;
      }
      return { entries, next: null };
    },

    listAll: (query, { after, signal }, principal) =>
      later(async () => mergeListings(...(await search(query, { after, limit: pageLimit, signal }, principal)))),

    async listBounded(query, limit, signal, principal) {
      const entries: Entry[] = [];
      const searched = await search(query, { after: undefined, limit: limit + 1, signal }, principal);
      await visitListings(...searched, (entry) => {
        if (entries.length === limit) throw tooMany(limit, undefined, 'narrow the filter or the time windows');
        entries.push(entry);
      });
      return entries;
    },

    async get(refs, principal, signal) {
      const found = await visible(refs, principal, signal);
      const missing = found.flatMap((entry, i) => (entry === null ? [i] : []));
      if (missing.length > 0) {
        const first = missing.slice(0, 3).map((i) => formatObjectRef(refs[i]!));
        throw unknown(
          missing,
          `${missing.length} of ${refs.length} products are unknown: ${first.join(', ')}${missing.length > 3 ? ' …' : ''}`,
        );
      }
      return found as Entry[];
    },

    async open(ref, options, principal) {
      const given = options.entry && sameRef(options.entry.metadata.productRef, ref) ? options.entry : undefined;
      const [entry] =
        given === undefined
          ? await visible([ref], principal, options.signal)
          : [access.allows(principal, given) ? given : null];
      if (!entry) throw unknown([0], `${formatObjectRef(ref)} is unknown`);
      const backend = backends.route(ref);
      if (options.offset > 0 && !backend.capabilities.ranges)
        throw new MpdError('Unsupported Operation', {
          class: 'refuse',
          message: `backend ${backend.id} reads products from their beginning only`,
        });
      if (options.form !== undefined) requireForm(options.form, formsOf(backend, entry), 'form');
      const body = await backend.open(ref, { ...options, revision: options.revision ?? entry.revision });
      return { entry, body };
    },

    async body(told, { signal }, principal) {
      const ref = told.metadata.productRef;
      if (!access.allows(principal, told)) throw unknown([0], `${formatObjectRef(ref)} is unknown`);
      return backends.route(ref).open(ref, { revision: told.revision, offset: 0, signal });
    },

    forms: (entry) => formsOf(backends.find(entry.metadata.productRef.domain), entry),

    folders: (path, page, principal) =>
      listFolder(db, path, { ...page, limit: Math.min(page.limit, pageLimit) }, (entry) =>
        access.allows(principal, entry),
      ),
  };
}

const sameRef = (a: ObjectRef, b: ObjectRef): boolean => a === b || compareObjectRefs(a, b) === 0;

/** A type that several backends know: their attributes together, the first definition of each. */
function mergeTypes(known: ProductType | undefined, type: ProductType): ProductType {
  if (!known) return type;
  const defs = new Map([...(type.attributeDefs ?? []), ...(known.attributeDefs ?? [])].map((def) => [def.name, def]));
  return { ...known, attributeDefs: [...defs.values()] };
}

function typeVisible(name: string, { policy }: Principal): boolean {
  const { productTypes } = filterBounds(policy);
  return productTypes === null || productTypes.includes(name);
}
