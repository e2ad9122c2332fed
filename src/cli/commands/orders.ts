import type { Command } from 'commander';
import {
  ORDER_STATES,
  OrderDetailShape,
  OrderInfoShape,
  StandingShape,
  UpstreamRequestShape,
} from '../../client/http/wire/index.js';
import type { OrderInfo } from '../../client/index.js';
import { usage } from '../exit-codes.js';
import { collect, domain, orderId, readArgument } from '../input/arguments.js';
import { type AxisOptions, readBackfill, windowAxis } from '../input/backfill.js';
import type { Runner } from '../runner.js';
import { refuseOverMal } from '../wire.js';
import {
  historyColumns,
  orderColumns,
  orderFields,
  requestColumns,
  standingColumns,
  upstreamColumns,
  upstreamRequests,
} from './order-columns.js';
import { ledgerCommands } from './order-ledger.js';
import { submitCommand } from './order-submit.js';
import { pullCommand } from './pull.js';

export function orderCommands(program: Command, runner: Runner): void {
  const { remote, wire } = runner;
  const orders = program
    .command('orders')
    .description('Standing orders: submit, follow, pause, replay, prove complete.');

  submitCommand(orders.command('submit'), runner);

  wire<{ user?: string; domain?: readonly string[]; state?: readonly string[] }>(
    orders
      .command('list')
      .description('Orders you may see.')
      .option('--user <name>', 'of this owner')
      .option('-d, --domain <domain>', 'for this domain; esa.* takes in everything below', domain)
      .option('--state <state>', `${ORDER_STATES.join(', ')}; more than once: any of them`, collect),
    ['mpd-gateway orders list', 'mpd-gateway orders list --state active --json'],
    async ({ client, http, out, signal }, options) => {
      const states = options.state?.map(orderState);
      if (http === null) {
        refuseOverMal(options, { state: 'MPD tells no states; it lists the orders that stand' });
        const { user = null, domain = null } = options;
        const listed = await client.listStandingOrders({ user, domain }, { signal });
        const rows = listed.map((order) => ({ order }));
        await out.list(rows, standingColumns, StandingShape.encode, 'no orders');
        return;
      }
      const query = {
        user: options.user ?? null,
        domain: options.domain ?? null,
        ...(states === undefined ? {} : { states }),
      };
      await out.list(http.listOrders(query, { signal }), orderColumns, OrderInfoShape.encode, 'no orders');
    },
  );

  const one = (name: string, description: string): Command =>
    orders.command(name).argument('<order>', 'order id').description(description);
  const id = (text: string): bigint => readArgument('order', text, orderId);

  remote(
    one('show', 'One order with its history.'),
    ['mpd-gateway orders show 7'],
    async ({ client, out, signal }, _options, text: string) => {
      const order = await client.getOrder(id(text), { signal });
      await out.one(order, orderFields, OrderDetailShape.encode);
      if (out.json) return;
      await out.say('');
      await out.list(order.history, historyColumns, (entry) => entry, 'no history');
      const requests = upstreamRequests(order);
      if (requests.length === 0) return;
      await out.say('');
      await out.list(requests, upstreamColumns, (request) => request, '');
    },
  );

  remote(
    orders
      .command('upstream')
      .description('What stands at the systems behind the gateway, also what was made elsewhere. For operators.'),
    ['mpd-gateway orders upstream'],
    async ({ client, out, signal }) => {
      await out.list(await client.listUpstream({ signal }), requestColumns, UpstreamRequestShape.encode, 'nothing');
    },
  );

  remote<{ policy?: 'hold' | 'skip' }>(
    one('pause', 'Deliver nothing until resumed.').option(
      '--policy <hold|skip>',
      'what happens to products that arrive meanwhile (default: as the order says)',
    ),
    ['mpd-gateway orders pause 7 --policy hold'],
    async ({ client, out, signal }, { policy }, text: string) =>
      out.one(await client.pauseOrder(id(text), policy ?? null, { signal }), orderFields, OrderInfoShape.encode),
  );

  remote(
    one('resume', 'Go on after a pause.'),
    ['mpd-gateway orders resume 7'],
    async ({ client, out, signal }, _options, text: string) =>
      out.one(await client.resumeOrder(id(text), { signal }), orderFields, OrderInfoShape.encode),
  );

  wire(
    one('cancel', 'End an order; its history stays.'),
    ['mpd-gateway orders cancel 7'],
    async ({ client, out, signal }, _options, text: string) => {
      await client.cancelStandingOrder(id(text), { signal });
      await (out.json ? out.value({ orderID: Number(text), state: 'cancelled' }) : out.say(`order ${text} cancelled`));
    },
  );

  for (const [name, description, call] of [
    ['replay', 'Send again what was delivered in a window.', 'replayOrder'],
    ['backfill', 'Deliver what matches in a window and was never matched.', 'backfillOrder'],
  ] as const) {
    remote<AxisOptions>(
      windowAxis(one(name, description)),
      [`mpd-gateway orders ${name} 7 --created 2026-01-01T00:00:00Z/P1D`, `mpd-gateway orders ${name} 7 --all`],
      async ({ client, out, signal }, options, text: string) => {
        const { job } = await client[call](id(text), readBackfill(options), { signal });
        await (out.json
          ? out.value({ job: Number(job) })
          : out.say(`job ${job}: follow it with mpd-gateway orders deliveries ${text}`));
      },
    );
  }

  ledgerCommands({ orders, one, id }, runner);
  pullCommand(one('pull', 'Fetch what a service order has available.'), runner);
}

function orderState(text: string): OrderInfo['state'] {
  const found = ORDER_STATES.find((state) => state === text);
  if (found === undefined)
    throw usage(`--state: expected one of ${ORDER_STATES.join(', ')}, not ${JSON.stringify(text)}`);
  return found;
}
