import type { Command } from 'commander';
import { EVENT_TYPES, EventShape } from '../../client/http/wire/index.js';
import type { GatewayEvent } from '../../client/index.js';
import { EXIT, usage } from '../exit-codes.js';
import { collect, count, orderId } from '../input/arguments.js';
import { writtenRef } from '../input/reference.js';
import { humanTime } from '../output/human.js';
import type { Runner } from '../runner.js';
import { refuseOverMal } from '../wire.js';
import { MalEventShape, malEvents } from './mal-events.js';

interface EventOptions {
  readonly from?: string;
  readonly order?: bigint;
  readonly user?: string;
  readonly type?: readonly string[];
  readonly limit?: number;
}

export function eventCommands(program: Command, { wire }: Runner): void {
  wire<EventOptions>(
    program
      .command('events')
      .description('What happens, as it happens, in commit order; until Ctrl-C. Over MAL: what orders bring.')
      .option('--from <cursor>', 'go on after this cursor (default: from now on)')
      .option('--order <id>', 'of this order', orderId)
      .option('--user <name>', 'of this owner')
      .option('--type <type>', `${EVENT_TYPES.join(', ')}; more than once: any of them`, collect)
      .option('-n, --limit <count>', 'end after so many', count),
    ['mpd-gateway events', 'mpd-gateway events --order 7 --type delivered --type failed --json'],
    async ({ http, mal, out, signal }, options) => {
      const types = options.type?.map(eventType);
      if (http === null) {
        refuseOverMal(options, { from: 'MAL keeps nothing for those who were away' });
        let left = options.limit ?? Number.POSITIVE_INFINITY;
        for await (const event of malEvents(mal!, { ...options, types }, (text) => out.note(text), signal)) {
          await (out.json ? out.value(MalEventShape.encode(event)) : out.say(eventLine(event)));
          if (--left === 0) return EXIT.ok;
        }
        return signal.aborted ? EXIT.interrupted : EXIT.ok;
      }
      const stream = http.events({
        signal,
        cursor: options.from ?? null,
        ...(options.order === undefined ? {} : { orderID: options.order }),
        ...(options.user === undefined ? {} : { user: options.user }),
        ...(types === undefined ? {} : { types }),
      });
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      for await (const item of stream) {
        if (item.kind === 'gap') {
          await out.note(`gap: ${item.message}`);
          continue;
        }
        await (out.json ? out.value(EventShape.encode(item.event)) : out.say(eventLine(item.event)));
        if (--left === 0) return EXIT.ok;
      }
      return signal.aborted ? EXIT.interrupted : EXIT.ok;
    },
  );
}

/** `12:00:01  delivered  order 7  local/…  file:///…` */
export function eventLine({
  at,
  type,
  orderID,
  metadata,
  payload,
}: Pick<GatewayEvent, 'at' | 'type' | 'orderID' | 'metadata' | 'payload'>): string {
  const told = Object.entries(payload)
    .filter(([, value]) => value !== null && typeof value !== 'object')
    .map(([name, value]) => `${name}=${value}`);
  return [
    humanTime(at)?.slice(11),
    type.padEnd(10),
    ...(orderID === null ? [] : [`order ${orderID}`]),
    ...(metadata === null ? [] : [writtenRef(metadata.productRef)]),
    ...told,
  ].join('  ');
}

function eventType(text: string): GatewayEvent['type'] {
  const found = EVENT_TYPES.find((type) => type === text);
  if (found === undefined)
    throw usage(`--type: expected one of ${EVENT_TYPES.join(', ')}, not ${JSON.stringify(text)}`);
  return found;
}
