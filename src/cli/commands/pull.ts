import type { Command } from 'commander';
import { PulledShape } from '../../client/http/wire/index.js';
import type { PulledProduct } from '../../client/index.js';
import { count, duration, orderId, readArgument } from '../input/arguments.js';
import { writtenRef } from '../input/reference.js';
import { humanSize, humanTime } from '../output/human.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';
import { fetchProduct } from './fetch.js';

const columns: readonly Column<PulledProduct>[] = [
  { head: 'POSITION', text: ({ position }) => position, align: 'right' },
  { head: 'AVAILABLE', text: ({ delivery }) => humanTime(delivery.createdAt) },
  { head: 'TYPE', text: ({ product }) => product.metadata.productType.name },
  { head: 'SIZE', text: ({ product }) => humanSize(product.metadata.fileMetadata?.fileSize), align: 'right' },
  { head: 'PRODUCT', text: ({ product }) => writtenRef(product.metadata.productRef) },
];

interface PullOptions {
  readonly after?: bigint;
  readonly limit: number;
  readonly wait?: number;
  readonly save?: string;
  readonly ack?: boolean;
  readonly follow?: boolean;
}

/** What is acknowledged was printed and, with `--save`, is on the disk. */
export function pullCommand(command: Command, { remote }: Runner): void {
  remote<PullOptions>(
    command
      .option('--after <position>', 'what comes after this position (default: after what was acknowledged)', orderId)
      .option('-n, --limit <count>', 'at most so many at once', count, 100)
      .option('--wait <duration>', 'wait for so long when there is nothing', duration)
      .option('--save <folder>', 'fetch the bodies into this folder')
      .option('--ack', 'acknowledge, so that the next pull goes on behind')
      .option('--follow', 'go on until Ctrl-C; needs --ack'),
    ['mpd-gateway orders pull 8 --save in/ --ack', 'mpd-gateway orders pull 8 --follow --ack --wait 30s --json'],
    async (tools, options, text: string) => {
      const { client, out, signal } = tools;
      const id = readArgument('order', text, orderId);
      let after = options.after ?? null;
      do {
        const waitMs = options.wait ?? (options.follow === true ? 30_000 : 0);
        const products = await client.pull(
          id,
          { after, limit: options.limit, ...(waitMs > 0 ? { waitMs } : {}) },
          { signal },
        );
        if (products.length > 0 || options.follow !== true)
          await out.list(products, columns, PulledShape.encode, 'nothing available');
        if (options.save !== undefined)
          for (const { product } of products)
            await fetchProduct({ ...product, ref: product.metadata.productRef }, tools, {
              output: `${options.save}/`,
              force: true,
            });
        const last = products.at(-1)?.position;
        if (last === undefined) continue;
        if (options.ack === true) await client.acknowledge(id, last, { signal });
        after = last;
      } while (options.follow === true && !signal.aborted);
    },
  );
}
