import type { Command } from 'commander';
import { ProductTypeShape } from '../../client/http/wire/index.js';
import { suggest } from '../../config/suggest.js';
import { type ProductType, unknown } from '../../mpd/index.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';

const columns: readonly Column<ProductType>[] = [
  { head: 'TYPE', text: ({ name }) => name },
  { head: 'ATTRIBUTES', text: ({ attributeDefs }) => (attributeDefs ?? []).map(({ name }) => name).join(', ') },
  { head: 'DESCRIPTION', text: ({ description }) => description },
];

interface Attribute {
  readonly name: string;
  readonly type: string;
  readonly units: string | null;
  readonly description: string | null;
}
const attributeColumns: readonly Column<Attribute>[] = [
  { head: 'ATTRIBUTE', text: ({ name }) => name },
  { head: 'TYPE', text: ({ type }) => type },
  { head: 'UNIT', text: ({ units }) => units },
  { head: 'DESCRIPTION', text: ({ description }) => description },
];

export function typeCommands(program: Command, { remote }: Runner): void {
  remote(
    program
      .command('types')
      .argument('[name]', 'only this one, with its attributes')
      .description('Product types and their attributes.'),
    ['mpd-gateway types', 'mpd-gateway types TelemetryPackets'],
    async ({ client, out, signal }, _options, name?: string) => {
      const types = await client.types({ signal });
      if (name === undefined) {
        await out.list(types, columns, ProductTypeShape.encode, 'no product types yet');
        return;
      }
      const type = types.find((candidate) => candidate.name === name);
      if (type === undefined) throw unknownType(name, types);
      if (out.json) return out.value(ProductTypeShape.encode(type));
      await out.say(`${type.name}${type.description === null ? '' : `: ${type.description}`}`);
      const attributes = (type.attributeDefs ?? []).map(({ name, attributeType, units, description }) => ({
        name,
        type: attributeType,
        units,
        description,
      }));
      await out.list(attributes, attributeColumns, (attribute) => attribute, 'no attributes');
    },
  );
}

function unknownType(name: string, types: readonly ProductType[]) {
  const names = types.map((type) => type.name);
  const meant = suggest(name, names);
  return unknown(
    null,
    `there is no product type ${name}${meant === null ? `; there are ${names.join(', ')}` : `; did you mean ${meant}?`}`,
  );
}
