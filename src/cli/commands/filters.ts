import type { Command } from 'commander';
import { NamedFilterShape } from '../../client/http/wire/index.js';
import type { NamedFilter } from '../../client/index.js';
import { encodeTree, type FilterTree } from '../../mpd/filter/index.js';
import { usage } from '../exit-codes.js';
import { readSelection, type SelectionOptions, selectionOptions } from '../input/selection.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';
import { filterImportCommand } from './filter-import.js';

const columns: readonly Column<NamedFilter>[] = [
  { head: 'FILTER', text: ({ owner, name }) => `${owner}/${name}` },
  { head: 'SHARED', text: ({ shared }) => (shared ? 'yes' : 'no') },
  { head: 'DESCRIPTION', text: ({ description }) => description },
  { head: 'TREE', text: ({ filter }) => JSON.stringify(encodeTree(filter)) },
];

export function filterCommands(program: Command, runner: Runner): void {
  const { remote } = runner;
  const filters = program.command('filters').description('Filters kept at the gateway, used as --filter owner/name.');

  remote(
    filters.command('list').description('Your filters and shared ones.'),
    ['mpd-gateway filters list'],
    async ({ client, out, signal }) => {
      await out.list(await client.listFilters({ signal }), columns, NamedFilterShape.encode, 'no filters');
    },
  );

  remote(
    filters.command('get').argument('<name>', 'name of your own, or owner/name').description('One filter.'),
    ['mpd-gateway filters get housekeeping', 'mpd-gateway filters get ops/housekeeping --json'],
    async ({ client, out, signal }, _options, name: string) =>
      out.one(
        await client.getFilter(name, { signal }),
        columns.map((column) => ({ ...column, head: column.head.toLowerCase() })),
        NamedFilterShape.encode,
      ),
  );

  remote<SelectionOptions & { description?: string; shared?: boolean }>(
    selectionOptions(filters.command('put').argument('<name>', 'name').description('Keep a filter, or replace it.'))
      .option('--description <text>', 'what it is for')
      .option('--shared', 'others may use it, each under their own policy'),
    [
      "mpd-gateway filters put housekeeping --domain 'esa.solo.*' --type HK --shared",
      "mpd-gateway filters put either --tree '{any: [{productTypes: [A]}, {pathPrefix: hk/}]}'",
    ],
    async ({ client, out, context, signal }, options, name: string) => {
      const { productFilter, tree } = await readSelection(options, { client, http: client }, context);
      const parts: FilterTree[] = [
        ...(productFilter === null ? [] : [{ filter: productFilter }]),
        ...(tree === null ? [] : [tree]),
      ];
      if (parts.length === 0) throw usage('say what the filter selects: --type, --domain, --attr, --tree …');
      const filter = parts.length === 1 ? parts[0]! : { all: parts };
      const kept = await client.putFilter(
        { name, filter, description: options.description ?? null, shared: options.shared === true },
        { signal },
      );
      await (out.json ? out.value(NamedFilterShape.encode(kept)) : out.say(`kept as ${kept.owner}/${kept.name}`));
    },
  );

  remote(
    filters
      .command('delete')
      .argument('<name>', 'name of your own')
      .description('Remove a filter; orders that used it keep their copy.'),
    ['mpd-gateway filters delete housekeeping'],
    async ({ client, out, signal }, _options, name: string) => {
      await client.removeFilter(name, { signal });
      await (out.json ? out.value({ removed: name }) : out.say(`${name} removed`));
    },
  );

  filterImportCommand(filters, runner);
}
