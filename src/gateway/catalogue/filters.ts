import { type Kysely, type Selectable, sql } from 'kysely';
import { compileTree, decodeTree, encodeTree, type FilterTree, namesIn, resolveNamed } from '../../mpd/filter/index.js';
import { invalid, isMpdError, MpdError, tooMany, unknown } from '../../mpd/index.js';
import { isOperator } from '../access/access.js';
import type { NamedFilter, NamedFilters, Principal } from '../api.js';
import type { CoreTables, NamedFilterTable } from '../schema.js';
import { requireStorable } from '../values.js';

/** Finds stored filters for `resolveNamed`: null for what the principal has not and may not see. */
export const resolverFor =
  (filters: NamedFilters, principal: Principal) =>
  async (name: string): Promise<FilterTree | null> => {
    try {
      return (await filters.get(name, principal)).filter;
    } catch (error) {
      if (isMpdError(error, 'Unknown')) return null;
      throw error;
    }
  };

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/** Filters kept under a name; an order copies what the name stands for at submit. */
export function createNamedFilters(db: Kysely<CoreTables>, quota: (principal: string) => number): NamedFilters {
  const find = (owner: string, name: string) =>
    db.selectFrom('named_filter').selectAll().where('owner', '=', owner).where('name', '=', name).executeTakeFirst();
  const filters: NamedFilters = {
    async list(principal) {
      let query = db.selectFrom('named_filter').selectAll().orderBy('owner').orderBy('name');
      if (!isOperator(principal))
        query = query.where((eb) => eb.or([eb('owner', '=', principal.id), eb('shared', '=', true)]));
      return (await query.execute()).map(namedFilter);
    },

    async get(name, principal) {
      const { owner, own, bare } = split(name, principal);
      const row = await find(owner, bare);
      if (!row || (!own && !row.shared && !isOperator(principal)))
        throw unknown(null, `there is no filter named ${name}`);
      return namedFilter(row);
    },

    async put({ name, filter, description, shared }, principal) {
      if (!NAME.test(name))
        throw invalid('name', 'must be letters, digits, "_", "." or "-", not begin with a sign, and have at most 100');
      if (namesIn(filter).includes(name)) throw invalid('filter', `the named filter "${name}" refers to itself`);
      requireStorable(filter, 'filter');
      compileTree(await resolveNamed(filter, resolverFor(filters, principal)));
      const { count } = await db
        .selectFrom('named_filter')
        .select((eb) => eb.fn.countAll<bigint>().as('count'))
        .where('owner', '=', principal.id)
        .where('name', '<>', name)
        .executeTakeFirstOrThrow();
      if (count >= BigInt(quota(principal.id)))
        throw tooMany(quota(principal.id), Number(count) + 1, 'remove a named filter first');
      const row = {
        filter: JSON.stringify(encodeTree(filter)),
        description,
        shared,
        updated_at: sql<Date>`now()`,
      };
      await db
        .insertInto('named_filter')
        .values({ owner: principal.id, name, ...row })
        .onConflict((conflict) => conflict.columns(['owner', 'name']).doUpdateSet(row))
        .execute();
      return { owner: principal.id, name, filter, description, shared };
    },

    async remove(name, principal) {
      const { owner, own, bare } = split(name, principal);
      if (!own && !isOperator(principal))
        throw new MpdError('Authorisation Fail', { class: 'refuse', message: `${name} belongs to ${owner}` });
      const removed = await db
        .deleteFrom('named_filter')
        .where('owner', '=', owner)
        .where('name', '=', bare)
        .returning('name')
        .executeTakeFirst();
      if (!removed) throw unknown(null, `there is no filter named ${name}`);
    },
  };
  return filters;
}

/** `name` of one's own, `owner/name`, or either with a leading `@`. */
function split(
  name: string,
  principal: Principal,
): { readonly owner: string; readonly own: boolean; readonly bare: string } {
  const [first = '', ...rest] = name.replace(/^@/, '').split('/');
  const owner = rest.length === 0 ? principal.id : first;
  return { owner, own: owner === principal.id, bare: rest.length === 0 ? first : rest.join('/') };
}

const namedFilter = (row: Selectable<NamedFilterTable>): NamedFilter => ({
  owner: row.owner,
  name: row.name,
  filter: decodeTree(row.filter),
  description: row.description,
  shared: row.shared,
});
