import type { Command } from 'commander';
import { FolderShape, ListedShape } from '../../client/http/wire/index.js';
import type { ListedProduct } from '../../client/index.js';
import type { Attribute } from '../../mal/index.js';
import { EXIT, usage } from '../exit-codes.js';
import { count } from '../input/arguments.js';
import { findProduct, productsIn, writtenRef } from '../input/reference.js';
import {
  readQuery,
  type SelectionOptions,
  selectionOptions,
  type WindowOptions,
  windowOptions,
} from '../input/selection.js';
import { counted, humanSize, humanTime, humanWindow } from '../output/human.js';
import type { Column } from '../output/table.js';
import type { Runner } from '../runner.js';
import { refuseOverMal } from '../wire.js';
import { fetchProduct } from './fetch.js';

export const productColumns: readonly Column<ListedProduct>[] = [
  { head: 'CREATED', text: ({ metadata }) => humanTime(metadata.creationDate) },
  { head: 'TYPE', text: ({ metadata }) => metadata.productType.name },
  { head: 'SIZE', text: ({ metadata }) => humanSize(metadata.fileMetadata?.fileSize), align: 'right' },
  { head: 'PRODUCT', text: ({ metadata }) => writtenRef(metadata.productRef) },
];

const fields: readonly Column<ListedProduct>[] = [
  { head: 'product', text: ({ metadata }) => writtenRef(metadata.productRef) },
  { head: 'type', text: ({ metadata }) => metadata.productType.name },
  { head: 'created', text: ({ metadata }) => humanTime(metadata.creationDate) },
  { head: 'content', text: ({ metadata }) => humanWindow(metadata.contentDate) },
  { head: 'source', text: ({ metadata }) => metadata.source },
  { head: 'size', text: ({ metadata }) => humanSize(metadata.fileMetadata?.fileSize) },
  { head: 'mime', text: ({ metadata }) => metadata.fileMetadata?.mime },
  { head: 'description', text: ({ metadata }) => metadata.description },
  {
    head: 'attributes',
    text: ({ metadata }) =>
      (metadata.attributes ?? []).map(({ name, value }) => `${name}=${attributeText(value)}`).join(' '),
  },
  { head: 'path', text: ({ path }) => path },
  { head: 'file name', text: ({ fileName }) => fileName },
  { head: 'updated', text: ({ updatedAt }) => humanTime(updatedAt) },
  { head: 'revision', text: ({ revision }) => revision },
];

function attributeText(attribute: Attribute | null): string {
  if (attribute === null) return '';
  const { type, value } = attribute;
  if (type === 'Time' || type === 'FineTime') return humanTime(value) ?? '';
  if (type === 'Blob') return Buffer.from(value).toString('hex');
  return type === 'ObjectRef' ? writtenRef(value) : String(value);
}

export function productCommands(program: Command, { remote, wire }: Runner): void {
  const products = program.command('products').description('List, show, fetch and deliver products.');

  wire<SelectionOptions & WindowOptions & { limit?: number }>(
    windowOptions(
      selectionOptions(products.command('list').description('Products in the order they were created.')),
    ).option('-n, --limit <count>', 'at most so many', count),
    [
      "mpd-gateway products list --domain 'esa.solo.*' --created 2026-01-01T00:00:00Z/P1D",
      'mpd-gateway products list --type TelemetryPackets --attr apid=100..200 --limit 20',
      'mpd-gateway products list --json | wc -l',
    ],
    async ({ client, http, out, context, signal }, options) => {
      const query = await readQuery(options, { client, http }, context);
      const pageSize = options.limit === undefined ? {} : { pageSize: Math.min(options.limit, 1000) };
      const found = client.listProducts(query, { signal, ...pageSize });
      await out.list(
        options.limit === undefined ? found : first(found, options.limit),
        productColumns,
        ListedShape.encode,
        'no products',
      );
    },
  );

  wire(
    products
      .command('show')
      .argument('<product>', 'domain/version/key, or domain:key for the current one')
      .description('Everything known of one product.'),
    ['mpd-gateway products show local:tm/2026-11-23/a.dat'],
    async ({ client, http, out, signal }, _options, text: string) =>
      out.one(await findProduct(text, { client, http }, signal), fields, ListedShape.encode),
  );

  wire<{ output?: string; force?: boolean; form?: string }>(
    products
      .command('get')
      .argument('<products...>', 'domain/version/key or domain:key; - reads them from standard input, one a line')
      .description('Fetch bodies into files. Goes on where an earlier try stopped, and checks the digest.')
      .option('-o, --output <path>', 'file, or folder (default: here); - writes to standard output')
      .option('--force', 'replace a file that is there and differs')
      .option('--form <name>', 'another form of the product, where its backend offers any: packets, csv, ndjson …'),
    [
      'mpd-gateway products get local:tm/2026-11-23/a.dat',
      'mpd-gateway products list --type TelemetryPackets --json | mpd-gateway products get - -o downloads/',
    ],
    async (tools, options, ...texts) => {
      const { signal, context } = tools;
      if (tools.http === null) refuseOverMal(options, { form: 'MPD gives products as they came' });
      if (options.output === '-' && (texts.flat().length > 1 || texts.flat()[0] === '-'))
        throw usage('--output -: takes one product only');
      for await (const product of productsIn(texts.flat(), tools, context, signal))
        await fetchProduct(product, tools, options);
    },
  );

  wire<{ to: string; form?: string }>(
    products
      .command('deliver')
      .argument('<products...>', 'domain/version/key or domain:key; - reads them from standard input, one a line')
      .description('Have the gateway deliver the bodies as files; goes on when you leave.')
      .requiredOption('--to <uri>', 'where to, e.g. sftp://ops@host/in or file:///data/in')
      .option('--form <name>', 'another form of these products: packets, csv, ndjson …'),
    ['mpd-gateway products deliver local:tm/a.dat --to file:///data/in'],
    async ({ client, http, out, context, signal }, { to, form }, ...texts) => {
      if (http === null) refuseOverMal({ form }, { form: 'MPD gives products as they came' });
      const refs = [];
      for await (const product of productsIn(texts.flat(), { client, http }, context, signal)) refs.push(product.ref);
      const { files, orderID } = await client.deliverProductFiles(refs, to, {
        signal,
        ...(form !== undefined && { form }),
      });
      await out.say(`${counted(refs.length, 'product')} under way${orderID === null ? '' : ` (order ${orderID})`}`);
      let failed = 0;
      for await (const file of files) {
        if (!file.success) failed++;
        const product = writtenRef(file.metadata.productRef);
        if (out.json)
          await out.value({
            product,
            filename: file.filename,
            success: file.success,
            cause: file.cause,
            orderID: orderID === null ? null : Number(orderID),
          });
        else
          await out.say(
            `${file.success ? 'delivered' : 'FAILED   '}  ${product}  ${file.success ? file.filename : (file.cause ?? '')}`,
          );
      }
      return failed > 0 ? EXIT.failed : EXIT.ok;
    },
  );

  remote<{ limit?: number }>(
    products
      .command('folders')
      .argument('[path]', 'folder; default: the top', '')
      .description('One level of the folder view.')
      .option('-n, --limit <count>', 'at most so many products', count),
    ['mpd-gateway products folders', 'mpd-gateway products folders tm/2026-11-23'],
    async ({ client, out, signal }, options, path: string) => {
      let after: string | null = null;
      let left = options.limit ?? Number.POSITIVE_INFINITY;
      do {
        const page = await client.folders(path, {
          signal,
          limit: Math.min(left, 1000),
          ...(after === null ? {} : { after }),
        });
        if (out.json) await out.value(FolderShape.encode(page));
        else {
          for (const folder of page.folders) await out.say(`${folder}/`);
          await out.list(page.products, productColumns, ListedShape.encode, page.folders.length > 0 ? '' : 'empty');
        }
        left -= page.products.length;
        after = page.next;
      } while (after !== null && left > 0);
    },
  );
}

async function* first<T>(items: AsyncIterable<T>, limit: number): AsyncGenerator<T> {
  let left = limit;
  for await (const item of items) {
    yield item;
    if (--left === 0) return;
  }
}
