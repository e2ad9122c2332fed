import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../config/index.js';
import { type Concept, loadMapping } from '../../mapping/index.js';
import { unknown } from '../../mpd/index.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';

const FOLDER = join(PACKAGE_ROOT, 'mappings');

const columns: readonly Column<Concept>[] = [
  { head: 'CONCEPT', text: ({ concept }) => concept },
  { head: 'MPD', text: ({ mpd }) => mpd },
  { head: 'HOW', text: ({ how }) => how },
  { head: 'WHERE', text: ({ module }) => module },
  { head: 'NOTES', text: ({ notes }) => notes },
];

export function mappingCommands(program: Command, { local }: Runner): void {
  local(
    program
      .command('mappings')
      .argument('[name]', 'table such as archive, or a file')
      .description('The mapping tables: each concept of a legacy system and what it is in MPD.'),
    ['mpd-gateway mappings', 'mpd-gateway mappings archive', 'mpd-gateway mappings ./mappings/ours.yaml --json'],
    async ({ out, context }, _options, name?: string) => {
      if (name === undefined) {
        await out.list(
          tables(),
          [{ head: 'TABLE', text: (table) => table }],
          (table) => ({ name: table }),
          'no mapping tables',
        );
        return;
      }
      const { concepts } = await loadMapping(place(name, context.cwd));
      await out.list(concepts, columns, (concept) => concept, 'no concepts');
    },
  );
}

const tables = (): readonly string[] =>
  (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -5))
    .sort();

function place(name: string, cwd: string): string {
  if (/[/\\]|\.ya?ml$/.test(name)) return resolve(cwd, name);
  if (!tables().includes(name))
    throw unknown(null, `there is no mapping table ${name}; there are ${tables().join(', ')}`);
  return join(FOLDER, `${name}.yaml`);
}
