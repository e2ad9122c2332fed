import type { Command } from 'commander';
import type { Retention } from '../../client/index.js';
import type { TimeWindow } from '../../mpd/index.js';
import { usage } from '../exit-codes.js';
import { count, duration, interval } from '../input/arguments.js';
import { readBackfill } from '../input/backfill.js';
import { readSelection, type SelectionOptions, selectionOptions } from '../input/selection.js';
import type { Runner } from '../runner.js';
import { refuseOverMal } from '../wire.js';

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

export function submitCommand(command: Command, { wire }: Runner): void {
  wire<SubmitOptions>(
    selectionOptions(command.description('A lasting request for the new products that pass a filter.'))
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

const retention = ({ retainLast, retainFor }: SubmitOptions): Retention => ({
  last: retainLast ?? null,
  seconds: retainFor === undefined ? null : Math.ceil(retainFor / 1000),
});
