import type { Command } from 'commander';
import {
  CompletenessShape,
  DeliveryDetailShape,
  DeliveryInfoShape,
  ORDER_STATES,
  OrderDetailShape,
  OrderInfoShape,
  StandingShape,
  UpstreamRequestShape,
} from '../../client/http/wire/index.js';
import type { OrderInfo, Retention } from '../../client/index.js';
import type { TimeWindow } from '../../mpd/index.js';
import { EXIT, usage } from '../exit-codes.js';
import { collect, count, domain, duration, interval, orderId } from '../input/arguments.js';
import { type AxisOptions, readBackfill, windowAxis } from '../input/backfill.js';
import { writtenRef } from '../input/reference.js';
import { readSelection, type SelectionOptions, selectionOptions } from '../input/selection.js';
import { counted } from '../output/human.js';
import type { Runner } from '../runner.js';
import { refuseOverMal } from '../wire.js';
import {
  attemptColumns,
  deliveryColumns,
  deliveryFields,
  historyColumns,
  orderColumns,
  orderFields,
  requestColumns,
  standingColumns,
  upstreamColumns,
  upstreamRequests,
} from './order-columns.js';
import { pullCommand } from './pull.js';

const METHODS = { file: 'FILETRANSFER', complete: 'SERVICE_COMPLETE', metadata: 'SERVICE_JUST_METADATA' } as const;

interface SubmitOptions extends SelectionOptions {
  readonly to?: string;
  readonly method?: string;
  readonly user?: string;
  readonly valid?: TimeWindow;
  readonly comments?: string;
  readonly whilePaused?: 'hold' | 'skip';
  readonly onBadSource?: 'deliver-flagged' | 'hold';
  readonly overwrite: boolean;
  readonly pathTemplate?: string;
  readonly form?: string;
  readonly deadline?: number;
  readonly backfill?: string;
  readonly retainLast?: number;
  readonly retainFor?: number;
  readonly acceptUnreachable?: boolean;
}

export function orderCommands(program: Command, runner: Runner): void {
  const { remote, wire } = runner;
  const orders = program
    .command('orders')
    .description('Standing orders: submit, follow, pause, replay, prove complete.');

  wire<SubmitOptions>(
    selectionOptions(orders.command('submit').description('A lasting request for the new products that pass a filter.'))
      .option('--to <uri>', 'deliver as files to this URI (implies --method file)')
      .option('--method <method>', 'file, complete (messages with bodies) or metadata (messages without)')
      .option('--user <name>', 'owner (default: yourself)')
      .option('--valid <interval>', 'when the order is active', interval)
      .option('--comments <text>', 'a remark')
      .option('--while-paused <hold|skip>', 'what happens to products that arrive while it is paused')
      .option('--on-bad-source <deliver-flagged|hold>', 'when the bytes are not what the source says of them')
      .option('--no-overwrite', 'a file of that name with other content is an error')
      .option('--path-template <template>', 'sub-folders, e.g. {productType}/{created:yyyy}')
      .option(
        '--form <name>',
        'deliver another form of the products, where their backend offers any: packets, csv, ndjson …',
      )
      .option('--deadline <duration>', 'how long a delivery without progress is tried', duration)
      .option(
        '--backfill <axis:interval>',
        'also what is there already: created:2026-01-01T00:00:00Z/.., content:…, available:…, or all',
      )
      .option('--retain-last <n>', 'keep so many notifications for MAL subscribers that come later', count)
      .option('--retain-for <duration>', 'keep notifications so long for MAL subscribers that come later', duration)
      .option('--accept-unreachable', 'accept a target that cannot be reached yet'),
    [
      "mpd-gateway orders submit --type TelemetryPackets --domain 'local.*' --to file:///data/in",
      "mpd-gateway orders submit --domain 'esa.solo.*' --to sftp://ops@host/in --backfill created:2026-01-01T00:00:00Z/..",
      "mpd-gateway orders submit --tree '{any: [{productTypes: [A, B]}, {pathPrefix: hk/}]}' --method metadata",
    ],
    async ({ client, http, out, context, signal }, options) => {
      const { productFilter, tree } = await readSelection(options, { client, http }, context);
      const method = methodOf(options);
      if (http === null) {
        refuseOverMal(options, SUBMIT_OVER_HTTP);
        const { user, valid = null, to = null, comments = null } = options;
        if (user === undefined) throw usage('--user: an order over MAL names its owner');
        const order = { user, productFilter, validityPeriod: valid, deliverTo: to, comments };
        const orderID = await client.submitStandingOrder(
          { orderID: null, ...order, deliveryMethod: method },
          { signal },
        );
        await (out.json ? out.value({ orderID: Number(orderID), warning: null }) : out.say(`order ${orderID}`));
        return;
      }
      const { orderID, warning } = await http.submitOrder(
        {
          user: options.user ?? null,
          productFilter,
          tree,
          validityPeriod: options.valid ?? null,
          deliveryMethod: method,
          deliverTo: options.to ?? null,
          comments: options.comments ?? null,
          overwrite: options.overwrite,
          ...(options.whilePaused === undefined ? {} : { pausePolicy: options.whilePaused }),
          ...(options.onBadSource === undefined ? {} : { onBadSource: options.onBadSource }),
          ...(options.pathTemplate === undefined ? {} : { pathTemplate: options.pathTemplate }),
          ...(options.form === undefined ? {} : { form: options.form }),
          ...(options.deadline === undefined ? {} : { deadlineSeconds: Math.ceil(options.deadline / 1000) }),
          ...(options.backfill === undefined ? {} : { backfill: readBackfill(options.backfill) }),
          ...(options.retainLast === undefined && options.retainFor === undefined
            ? {}
            : { retain: retention(options) }),
          ...(options.acceptUnreachable === undefined ? {} : { acceptUnreachable: true }),
        },
        { signal },
      );
      if (warning !== null) await out.note(`warning: ${warning}`);
      if (out.json) return out.value({ orderID: Number(orderID), warning });
      await out.say(`order ${orderID}`);
    },
  );

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
  const id = (text: string): bigint => read('order', text, orderId);

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
      const delivery = await client.getDelivery(read('delivery', text, orderId), { signal });
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
      const ids = rest.flat().map((row) => read('deliveries', row, orderId));
      if (dead !== true && ids.length === 0) throw usage('name the deliveries, or say --dead for all dead ones');
      const redriven = await client.redrive(id(text), dead === true ? 'dead' : ids, { signal });
      await (out.json
        ? out.value({ redriven })
        : out.say(`${counted(redriven, 'delivery').replace(/ys$/, 'ies')} back in the queue`));
    },
  );

  pullCommand(one('pull', 'Fetch what a service order has available.'), runner);
}

const SUBMIT_OVER_HTTP = {
  whilePaused: 'MPD has no pause',
  onBadSource: 'MPD has no policy for bad checksums',
  overwrite: 'MPD has no policy for files that are there',
  pathTemplate: 'MPD has no sub-folders below deliverTo',
  form: 'MPD gives products as they came',
  deadline: 'MPD has no deadline of deliveries',
  backfill: 'an order of the standard brings new products only; `products deliver` sends those that are there',
  retainLast: 'MPD keeps no notifications for those who come later; those of an order are asked for over HTTP',
  retainFor: 'MPD keeps no notifications for those who come later; those of an order are asked for over HTTP',
  acceptUnreachable: 'over MAL a folder that is yet to come is accepted anyway',
};

function methodOf({ method, to }: SubmitOptions): (typeof METHODS)[keyof typeof METHODS] {
  const named = method ?? (to === undefined ? 'metadata' : 'file');
  const found = Object.hasOwn(METHODS, named)
    ? METHODS[named as keyof typeof METHODS]
    : Object.values(METHODS).find((value) => value === named);
  if (found === undefined)
    throw usage(`--method: expected ${Object.keys(METHODS).join(', ')}, not ${JSON.stringify(named)}`);
  return found;
}

function orderState(text: string): OrderInfo['state'] {
  const found = ORDER_STATES.find((state) => state === text);
  if (found === undefined)
    throw usage(`--state: expected one of ${ORDER_STATES.join(', ')}, not ${JSON.stringify(text)}`);
  return found;
}

export function read<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    throw usage(`${name}: ${(error as Error).message.replace(/\.$/, '')}, not ${JSON.stringify(text)}`);
  }
}

const retention = ({ retainLast, retainFor }: SubmitOptions): Retention => ({
  last: retainLast ?? null,
  seconds: retainFor === undefined ? null : Math.ceil(retainFor / 1000),
});
