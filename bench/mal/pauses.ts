import { connect } from '../../src/client/index.js';
import { printTable, timed } from '../table.js';
import { startGateway } from './providers.js';

/** Longest pause of the gateway's event loop while it lists 10 000 entries with eight attributes each, from memory. */
export async function pauseBench(): Promise<void> {
  const gateway = await startGateway(['10000:rich:0']);
  const rows: (readonly (string | number)[])[] = [];
  try {
    for (const encoding of ['fixed', 'variable', 'split']) {
      for (const time of ['first', 'second', 'third']) {
        const client = connect(`${gateway.root}/?encoding=${encoding}` as `maltcp://${string}`);
        gateway.tell('delay');
        await gateway.line();
        const { seconds, value } = await timed(async () => {
          let count = 0;
          for await (const _ of client.listProducts({ productFilter: gateway.filter('rich') })) count++;
          return count;
        });
        if (value !== 10_000) throw new Error(`${value} entries`);
        gateway.tell('delay');
        const [pause, cpu] = (await gateway.line()).split(' ').map(Number);
        rows.push([`${encoding}, ${time} time`, pause!, cpu!, seconds * 1000]);
        await client.close();
      }
    }
  } finally {
    await gateway.stop();
  }
  printTable(['10 000 entries', 'longest pause, ms', 'longest turn, CPU ms', 'list, ms'], rows);
}
