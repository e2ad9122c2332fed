import type { Command } from 'commander';
import { ServicesShape } from '../../client/http/wire/index.js';
import type { ServiceInfo } from '../../client/index.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';

const columns: readonly Column<ServiceInfo>[] = [
  { head: 'BINDING', text: ({ binding }) => binding },
  { head: 'URI', text: ({ uri }) => uri },
  { head: 'SERVICES', text: ({ services }) => services.join(', ') },
  {
    head: 'DETAILS',
    text: ({ details }) =>
      Object.entries(details)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
  },
];

export function serviceCommands(program: Command, { remote }: Runner): void {
  remote(
    program.command('services').description('Where the gateway can be reached, one line a binding.'),
    ['mpd-gateway services'],
    async ({ client, out, signal }) => {
      const info = await client.services({ signal });
      if (out.json) return out.value(ServicesShape.encode(info));
      await out.say(`${info.name} ${info.version}`);
      await out.list(info.services, columns, (service) => service);
    },
  );
}
