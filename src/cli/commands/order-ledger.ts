import type { Command } from 'commander';
import { CompletenessShape, DeliveryDetailShape, DeliveryInfoShape } from '../../client/http/wire/index.js';
import type { TimeWindow } from '../../mpd/index.js';
import { EXIT, usage } from '../exit-codes.js';
import { collect, count, interval, orderId, readArgument } from '../input/arguments.js';
import { writtenRef } from '../input/reference.js';
import { counted } from '../output/human.js';
import type { Runner } from '../runner.js';
import { attemptColumns, deliveryColumns, deliveryFields } from './order-columns.js';

interface OrderGroup {
  readonly orders: Command;
  /** A command about one order. */
  readonly one: (name: string, description: string) => Command;
  readonly id: (text: string) => bigint;
}

/** What became of an order's products, and what can be done about it. */
export function ledgerCommands({ orders, one, id }: OrderGroup, { remote }: Runner): void {
  remote<{ state?: readonly string[] }>(
    one('deliveries', 'The ledger: one row a product revision.').option(
      '--state <state>',
      'e.g. queued, verified, dead; more than once: any of them',
      collect,
    ),
    ['mpd-gateway orders deliveries 7 --state dead'],
    async ({ client, out, signal }, { state }, text: string) => {
      const query = state === undefined ? {} : { states: state };
      await out.list(
        client.listDeliveries(id(text), query, { signal }),
        deliveryColumns,
        DeliveryInfoShape.encode,
        'no deliveries',
      );
    },
  );

  remote(
    orders
      .command('delivery')
      .argument('<delivery>', 'delivery id')
      .description('One row of the ledger with every attempt.'),
    ['mpd-gateway orders delivery 4711'],
    async ({ client, out, signal }, _options, text: string) => {
      const delivery = await client.getDelivery(readArgument('delivery', text, orderId), { signal });
      await out.one(delivery, deliveryFields, DeliveryDetailShape.encode);
      if (out.json) return;
      await out.say('');
      await out.list(delivery.log, attemptColumns, (attempt) => attempt, 'no attempts yet');
    },
  );

  remote<{ created?: TimeWindow; limit?: number; check?: boolean }>(
    one('missing', 'The proof of completeness: what the backend holds minus what was delivered.')
      .option('--created <interval>', 'creation time of the products looked at', interval)
      .option('-n, --limit <count>', 'list at most so many', count)
      .option('--check', `end with exit code ${EXIT.findings} when something is missing`),
    ['mpd-gateway orders missing 7', 'mpd-gateway orders missing 7 --created 2026-11-01T00:00:00Z/P7D --check'],
    async ({ client, out, signal }, options, text: string) => {
      const window = {
        created: options.created ?? null,
        ...(options.limit === undefined ? {} : { limit: options.limit }),
      };
      const found = await client.missing(id(text), window, { signal });
      if (out.json) await out.value(CompletenessShape.encode(found));
      else {
        await out.say(
          `held ${found.held}, delivered ${found.delivered}, under way ${found.underway}, missing ${found.missing.length}${found.more ? ' or more' : ''}`,
        );
        await out.list(
          found.missing,
          [
            { head: 'PRODUCT', text: ({ ref }) => writtenRef(ref) },
            { head: 'STATE', text: ({ state }) => state },
            { head: 'CAUSE', text: ({ cause }) => cause },
          ],
          (row) => row,
          'nothing is missing',
        );
      }
      return options.check === true && found.missing.length > 0 ? EXIT.findings : EXIT.ok;
    },
  );

  remote<{ dead?: boolean }>(
    one('redrive', 'Dead, withdrawn or held deliveries back into the queue.')
      .argument('[deliveries...]', 'delivery ids')
      .option('--dead', 'all dead ones of the order'),
    ['mpd-gateway orders redrive 7 --dead', 'mpd-gateway orders redrive 7 4711 4712'],
    async ({ client, out, signal }, { dead }, text: string, ...rest) => {
      const ids = rest.flat().map((row) => readArgument('deliveries', row, orderId));
      if (dead !== true && ids.length === 0) throw usage('name the deliveries, or say --dead for all dead ones');
      const redriven = await client.redrive(id(text), dead === true ? 'dead' : ids, { signal });
      await (out.json
        ? out.value({ redriven })
        : out.say(`${counted(redriven, 'delivery').replace(/ys$/, 'ies')} back in the queue`));
    },
  );
}
