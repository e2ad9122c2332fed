import { NamedFilterShape, NamedFiltersShape, PutFilterShape } from '../../../client/http/wire/index.js';
import { invalid } from '../../../mpd/index.js';
import { answer, type Param, type Route } from '../route.js';
import { API } from './common.js';

const tag = 'Named filters';

const name: Param<string> = {
  schema: { type: 'string' },
  doc: 'Name of your own filter, or `owner/name`.',
  example: 'partner-a/orbit-files',
  parse(text, field) {
    const parts = text.replace(/^@/, '').split('/').map(decodeURIComponent);
    if (parts.length > 2 || parts.some((part) => part === '')) throw invalid(field, 'expected name or owner/name');
    return parts.join('/');
  },
};

export const filterRoutes: readonly Route[] = [
  answer({
    method: 'get',
    path: `${API}/filters`,
    id: 'listFilters',
    tag,
    summary: 'Named filters: your own and shared ones',
    errors: [],
    answers: NamedFiltersShape,
    handle: async ({ gateway, principal }) => ({ value: { filters: await gateway.filters.list(principal) } }),
  }),
  answer({
    method: 'get',
    path: `${API}/filters/{name+}`,
    id: 'getFilter',
    tag,
    summary: 'One named filter',
    params: { name },
    errors: ['Invalid', 'Unknown'],
    answers: NamedFilterShape,
    handle: async ({ gateway, principal }, { params }) => ({
      value: await gateway.filters.get(params.name, principal),
    }),
  }),
  answer({
    method: 'put',
    path: `${API}/filters/{name+}`,
    id: 'putFilter',
    tag,
    summary: 'Store a filter of your own under a name',
    params: { name },
    body: PutFilterShape,
    errors: ['Invalid', 'Authorisation Fail', 'Bad Encoding'],
    answers: NamedFilterShape,
    handle: async ({ gateway, principal }, { params, body }) => ({
      value: await gateway.filters.put(
        {
          name: ownName(params.name, principal.id),
          filter: body.filter,
          description: body.description,
          shared: body.shared ?? false,
        },
        principal,
      ),
    }),
  }),
  answer({
    method: 'delete',
    path: `${API}/filters/{name+}`,
    id: 'removeFilter',
    tag,
    summary: 'Remove a named filter',
    params: { name },
    errors: ['Invalid', 'Unknown', 'Authorisation Fail'],
    answers: null,
    async handle({ gateway, principal }, { params }) {
      await gateway.filters.remove(params.name, principal);
      return { value: null };
    },
  }),
];

function ownName(given: string, owner: string): string {
  if (!given.includes('/')) return given;
  if (given.startsWith(`${owner}/`)) return given.slice(owner.length + 1);
  throw invalid('name', 'filters are stored under your own name only');
}
