import type { ObjectRef } from '../../mal/index.js';
import { DecodeError, encodeJson, Time } from '../../mal/index.js';
import { MpdError, unknown } from '../../mpd/index.js';
import type { CallOptions, ListedProduct, ProductQuery } from '../client.js';
import { openBody } from './body.js';
import type { HttpClient, HttpClientOptions, OrderQuery, PageOptions } from './client.js';
import { deliverFiles } from './deliver.js';
import { followEvents } from './events.js';
import { retrying } from './retry.js';
import { createTransport, type HttpCall, readText } from './transport.js';
import * as wire from './wire/index.js';

const PAGE = 500;

/** A client of one gateway; nothing is sent before the first call. @throws MpdError Invalid for a bad URL */
export function connectHttp(url: string, options: HttpClientOptions = {}): HttpClient {
  const transport = createTransport(url, options);
  const retries = options.retries ?? 5;

  async function call<T>(shape: wire.Shape<T>, request: HttpCall, safe = request.method === 'GET'): Promise<T> {
    return retrying(
      async () => {
        const { stream } = await transport.send({ ...request, path: `/api/v1${request.path}` });
        return decode(shape, await readText(stream, transport.base, request.signal));
      },
      safe ? retries : 0,
      request.signal ?? undefined,
    );
  }
  async function act(request: HttpCall): Promise<void> {
    const { stream } = await transport.send({ ...request, path: `/api/v1${request.path}` });
    stream.resume();
  }
  const get = <T>(shape: wire.Shape<T>, path: string, query: Query, { signal }: CallOptions): Promise<T> =>
    call(shape, { method: 'GET', path: `${path}${search(query)}`, signal });
  const post = <T>(shape: wire.Shape<T>, path: string, json: wire.Json, { signal }: CallOptions): Promise<T> =>
    call(shape, { method: 'POST', path, json, signal });

  const listPage = async (query: ProductQuery, { limit, after, signal }: PageOptions) => {
    const json = wire.SearchShape.encode({
      productFilter: query.productFilter ?? null,
      tree: query.tree ?? null,
      created: query.created ?? null,
      content: query.content ?? null,
      cursor: after ?? null,
      ...(limit === undefined ? {} : { limit }),
    });
    const page = await call(wire.ProductPageShape, { method: 'POST', path: '/products:search', json, signal }, true);
    return { items: page.products.map(plain), next: page.next };
  };
  const getMetadata = async (ref: ObjectRef, { signal }: CallOptions): Promise<ListedProduct> =>
    plain(await get(wire.ListedShape, `/products/${wire.referencePath(ref)}`, {}, { ...(signal && { signal }) }));

  const listOrders = (query: OrderQuery, { pageSize, ...rest }: CallOptions & { readonly pageSize?: number }) =>
    paged(async (after) => {
      const page = await get(
        wire.OrderPageShape,
        '/orders',
        {
          user: query.user,
          domain: query.domain?.join('.'),
          state: query.states,
          limit: pageSize ?? PAGE,
          cursor: after,
        },
        rest,
      );
      return { items: page.orders, next: page.next };
    });

  return {
    url: `${transport.base}/api/v1`,
    types: async (opts = {}) => (await get(wire.TypesShape, '/types', {}, opts)).types,
    listPage: (query, opts = {}) => listPage(query, opts),
    listProducts: (query = {}, { pageSize, signal } = {}) =>
      paged((after) =>
        listPage(query, { limit: pageSize ?? PAGE, ...(after === null ? {} : { after }), ...(signal && { signal }) }),
      ),
    getMetadata: (ref, opts = {}) => getMetadata(ref, opts),
    async getProduct(ref, opts = {}) {
      const product = await getMetadata(ref, opts);
      if (opts.revision != null && product.revision !== opts.revision) {
        throw unknown([0], 'the product has other content now');
      }
      return openBody(transport, product, ref, opts, retries);
    },
    async folders(path, { limit, after, ...opts } = {}) {
      const folder = await get(wire.FolderShape, '/folders', { path, limit, cursor: after }, opts);
      return { path: folder.path, folders: folder.folders, products: folder.products.map(plain), next: folder.next };
    },
    deliverProductFiles: (refs, deliverTo, opts = {}) => deliverFiles(transport, refs, deliverTo, opts),

    async submitStandingOrder(order, opts = {}) {
      const { orderID: _, ...request } = order;
      return (await post(wire.SubmittedShape, '/orders', wire.OrderRequestShape.encode(request), opts)).orderID;
    },
    submitOrder: (request, opts = {}) =>
      post(wire.SubmittedShape, '/orders', wire.OrderRequestShape.encode(request), opts),
    listOrders: (query = {}, opts = {}) => listOrders(query, opts),
    async listStandingOrders(query = {}, opts = {}) {
      const orders = [];
      for await (const info of listOrders(query, opts)) orders.push(info.order);
      return orders;
    },
    getOrder: (id, opts = {}) => get(wire.OrderDetailShape, `/orders/${id}`, {}, opts),
    cancelStandingOrder: (id, { signal } = {}) => act({ method: 'DELETE', path: `/orders/${id}`, signal }),
    listUpstream: async (opts = {}) => (await get(wire.UpstreamListShape, '/upstream', {}, opts)).upstream,
    pauseOrder: (id, policy = null, opts = {}) =>
      post(wire.OrderInfoShape, `/orders/${id}:pause`, wire.PauseShape.encode({ policy }), opts),
    resumeOrder: (id, { signal } = {}) =>
      call(wire.OrderInfoShape, { method: 'POST', path: `/orders/${id}:resume`, signal }),
    replayOrder: (id, window, opts = {}) =>
      post(wire.JobShape, `/orders/${id}:replay`, wire.BackfillShape.encode(window), opts),
    backfillOrder: (id, window, opts = {}) =>
      post(wire.JobShape, `/orders/${id}:backfill`, wire.BackfillShape.encode(window), opts),

    listDeliveries: (id, { states } = {}, { pageSize, ...opts } = {}) =>
      paged(async (after) => {
        const query = { state: states, limit: pageSize ?? PAGE, cursor: after };
        const page = await get(wire.DeliveryPageShape, `/orders/${id}/deliveries`, query, opts);
        return { items: page.deliveries, next: page.next };
      }),
    getDelivery: (id, opts = {}) => get(wire.DeliveryDetailShape, `/deliveries/${id}`, {}, opts),
    missing: (id, { created, limit } = {}, opts = {}) =>
      get(wire.CompletenessShape, `/orders/${id}/missing`, { created: created && interval(created), limit }, opts),
    redrive: async (id, ids, opts = {}) =>
      (await post(wire.RedrivenShape, `/orders/${id}:redrive`, wire.RedriveShape.encode({ ids }), opts)).redriven,
    async pull(id, { after, limit, waitMs } = {}, opts = {}) {
      const wait = waitMs === undefined ? undefined : String(waitMs / 1000);
      const { products } = await get(wire.PullShape, `/orders/${id}/pull`, { after, limit, wait }, opts);
      return products.map(({ position, delivery, product }) => ({ position, delivery, product: plain(product) }));
    },
    acknowledge: (id, position, { signal } = {}) =>
      act({
        method: 'POST',
        path: `/orders/${id}:acknowledge`,
        json: wire.AcknowledgeShape.encode({ position }),
        signal,
      }),

    listFilters: async (opts = {}) => (await get(wire.NamedFiltersShape, '/filters', {}, opts)).filters,
    getFilter: (name, opts = {}) => get(wire.NamedFilterShape, `/filters/${filterPath(name)}`, {}, opts),
    putFilter: ({ name, ...filter }, { signal } = {}) =>
      call(wire.NamedFilterShape, {
        method: 'PUT',
        path: `/filters/${filterPath(name)}`,
        json: wire.PutFilterShape.encode(filter),
        signal,
      }),
    removeFilter: (name, { signal } = {}) => act({ method: 'DELETE', path: `/filters/${filterPath(name)}`, signal }),

    events: (opts = {}) => followEvents(transport, opts),
    services: (opts = {}) => get(wire.ServicesShape, '/services', {}, opts),
    async health({ signal } = {}) {
      const { stream } = await transport.send({ method: 'GET', path: '/readyz', accept: [503], signal });
      return decode(wire.HealthShape, await readText(stream, transport.base, signal));
    },
    close: async () => transport.close(),
  };
}

type Query = Readonly<Record<string, string | number | bigint | readonly string[] | null | undefined>>;

function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const part of Array.isArray(value) ? value : [value]) params.append(name, String(part));
  }
  return params.size === 0 ? '' : `?${params}`;
}

async function* paged<T>(
  page: (after: string | null) => Promise<{ readonly items: readonly T[]; readonly next: string | null }>,
): AsyncGenerator<T> {
  let after: string | null = null;
  do {
    const { items, next }: { readonly items: readonly T[]; readonly next: string | null } = await page(after);
    yield* items;
    after = next;
  } while (after !== null);
}

function decode<T>(shape: wire.Shape<T>, text: string): T {
  try {
    return shape.decode(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof SyntaxError)) throw error;
    throw new MpdError('Bad Encoding', {
      class: 'fatal',
      message: `not an answer of a gateway: ${error.message}`,
      cause: error,
    });
  }
}

const plain = ({ links: _, ...product }: wire.Value<typeof wire.ListedShape>): ListedProduct => product;
const filterPath = (name: string): string => name.replace(/^@/, '').split('/').map(encodeURIComponent).join('/');
const interval = ({ start, end }: { readonly start: bigint; readonly end: bigint }): string =>
  `${encodeJson(Time, start)}/${encodeJson(Time, end)}`;
