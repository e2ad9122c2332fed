import type {
  Gateway,
  GatewayEvent,
  ListPage,
  NamedFilter,
  OrderInfo,
  OrderRequest,
  Principal,
} from '../../src/gateway/api.js';
import type { Body, Entry, Form } from '../../src/gateway/backend.js';
import { requireForm } from '../../src/gateway/forms.js';
import { type ObjectRef, objectRefId } from '../../src/mal/index.js';
import { compileTree } from '../../src/mpd/filter/index.js';
import { MpdError, type ProductMetadata, type ProductType, unknown } from '../../src/mpd/index.js';

/** An in-memory gateway for what only a wire can go wrong with: every port can be replaced by one that fails as told. */
export interface FakeGateway extends Gateway {
  readonly entries: Entry[];
  readonly submitted: OrderRequest[];
  /** Publishes to everybody who tails. */
  publish(event: Partial<GatewayEvent>): GatewayEvent;
  /** Cursors up to here are a gap. */
  floor: number;
  /** Replaces the bytes of a body. */
  body: (entry: Entry, offset: number, signal: AbortSignal) => Body;
  readonly keys: Map<string, Principal>;
  /** What products may be had as. */
  forms: readonly Form[];
}

export const packets: ProductType = {
  name: 'TelemetryPackets',
  description: 'Raw packets',
  attributeDefs: [
    { name: 'apid', attributeType: 'UINTEGER', units: null, description: null },
    { name: 'station', attributeType: 'STRING', units: null, description: null },
    { name: 'acquired', attributeType: 'TIME', units: null, description: null },
    { name: 'good', attributeType: 'BOOLEAN', units: null, description: null },
  ],
};
export const orbits: ProductType = { name: 'OrbitFile', description: null, attributeDefs: null };

const BASE = 1_767_225_600_000_000_000n;

export function product(
  key: string,
  content: string | Uint8Array,
  over: Partial<ProductMetadata> = {},
): Entry & { bytes: Uint8Array } {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return {
    metadata: {
      productType: packets,
      productRef: { domain: ['local'], type: 'Product', key, version: 1 },
      creationDate: BASE,
      source: 'station-1',
      externalURI: null,
      contentDate: { start: BASE, end: BASE },
      attributes: [{ name: 'apid', value: { type: 'UInteger', value: 100 } }],
      description: null,
      fileMetadata: { updateDate: BASE, mime: 'application/octet-stream', fileSize: BigInt(bytes.byteLength) },
      checksum: null,
      ...over,
    },
    revision: `r:${key}`,
    updatedAt: BASE,
    path: key,
    fileName: null,
    claim: null,
    bytes,
  };
}

export async function* chunks(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

export const operator: Principal = { id: 'ops', role: 'operator', policy: null };
export const partner: Principal = { id: 'partner-a', role: 'consumer', policy: null };

export function fakeGateway(entries: readonly Entry[] = []): FakeGateway {
  const held = [...entries];
  const orders = new Map<bigint, { request: OrderRequest; owner: string; state: OrderInfo['state'] }>();
  const filters = new Map<string, NamedFilter>();
  const events: GatewayEvent[] = [];
  const listeners = new Set<() => void>();
  const find = (ref: ObjectRef): Entry => {
    const entry = held.find(({ metadata }) => objectRefId(metadata.productRef) === objectRefId(ref));
    if (entry === undefined) throw unknown([0], 'there is no such product');
    return entry;
  };
  const order = (id: bigint, principal: Principal) => {
    const found = orders.get(id);
    if (found === undefined || (found.owner !== principal.id && principal.role === 'consumer'))
      throw unknown(id, `there is no order ${id}`);
    return found;
  };
  const info = (id: bigint): OrderInfo => {
    const { request, owner, state } = orders.get(id)!;
    const { productFilter, validityPeriod, deliveryMethod, deliverTo, comments } = request;
    return {
      order: { orderID: id, user: owner, productFilter, validityPeriod, deliveryMethod, deliverTo, comments },
      kind: 'standing',
      state,
      tree: request.tree ?? null,
      pausePolicy: 'hold',
      onBadSource: 'deliver-flagged',
      overwrite: false,
      pathTemplate: null,
      form: request.form ?? null,
      deadlineSeconds: 3600,
      retain: request.retain ?? null,
      warning: null,
      createdAt: BASE,
      updatedAt: BASE,
      counts: { notified: 2 },
      upstream: null,
    };
  };
  const matching = (query: { readonly filter: Parameters<typeof compileTree>[0] }): Entry[] => {
    const accepts = compileTree(query.filter);
    return held.filter(({ metadata }) => accepts(metadata));
  };

  const gateway: FakeGateway = {
    entries: held,
    submitted: [],
    floor: 0,
    forms: [],
    keys: new Map([
      ['ops-key', operator],
      ['partner-key', partner],
    ]),
    body: (entry, offset) => {
      const { bytes } = entry as Entry & { bytes: Uint8Array };
      return { revision: entry.revision, size: bytes.byteLength, claim: null, stream: chunks(bytes.subarray(offset)) };
    },
    publish(event) {
      const full: GatewayEvent = {
        cursor: String(events.length + 1),
        at: BASE,
        type: 'product',
        orderID: null,
        owner: null,
        deliveryId: null,
        payload: {},
        metadata: null,
        ...event,
      };
      events.push(full);
      for (const wake of listeners) wake();
      return full;
    },
    catalogue: {
      types: async () => [packets, orbits],
      async list(query, { after, limit }): Promise<ListPage> {
        const all = matching(query);
        const start = Number(after ?? 0);
        const page = all.slice(start, start + limit);
        return { entries: page, next: start + limit < all.length ? String(start + limit) : null };
      },
      async *listAll(query, { after, signal }) {
        for (const [i, entry] of matching(query).entries()) {
          signal.throwIfAborted();
          if (i >= Number(after ?? 0)) yield { entry, cursor: String(i + 1) };
        }
      },
      listBounded: async (query) => matching(query),
      get: async (refs) => refs.map(find),
      forms: ({ metadata }) => gateway.forms.filter((form) => form.productTypes.includes(metadata.productType.name)),
      async open(ref, { revision, offset, signal, form }) {
        const entry = find(ref);
        if (revision !== null && entry.revision !== revision) throw unknown([0], 'superseded');
        if (form !== undefined) {
          requireForm(form, gateway.catalogue.forms(entry), 'form');
          const stream = chunks(Buffer.from(`${form} of ${entry.metadata.productRef.key}`));
          return { entry, body: { revision: entry.revision, size: null, claim: null, stream } };
        }
        return { entry, body: gateway.body(entry, offset, signal) };
      },
      body: async ({ metadata }, { signal }) => gateway.body(find(metadata.productRef), 0, signal),
      folders: async (path) => ({ path, folders: ['a', 'b c'], entries: held, next: null }),
    },
    filters: {
      list: async () => [...filters.values()],
      async get(name, { id }) {
        const found = filters.get(name.includes('/') ? name : `${id}/${name}`);
        if (found === undefined) throw unknown(null, `there is no filter ${name}`);
        return found;
      },
      async put(filter, { id }) {
        const stored = { ...filter, owner: id };
        filters.set(`${id}/${filter.name}`, stored);
        return stored;
      },
      async remove(name, principal) {
        await this.get(name, principal);
        filters.delete(name.includes('/') ? name : `${principal.id}/${name}`);
      },
    },
    orders: {
      async submit(request, principal) {
        gateway.submitted.push(request);
        const id = BigInt(orders.size + 1);
        orders.set(id, { request, owner: request.user ?? principal.id, state: 'active' });
        return { orderID: id, warning: null };
      },
      async list({ after, limit }) {
        return [...orders.keys()]
          .filter((id) => id > (after ?? 0n))
          .slice(0, limit)
          .map(info);
      },
      async get(id, principal) {
        order(id, principal);
        return { ...info(id), history: [{ at: BASE, actor: 'ops', action: 'submitted', detail: null }] };
      },
      async cancel(id, principal) {
        order(id, principal).state = 'cancelled';
      },
      async pause(id, _policy, principal) {
        order(id, principal).state = 'paused';
        return info(id);
      },
      async resume(id, principal) {
        const found = order(id, principal);
        if (found.state !== 'paused')
          throw new MpdError('Incorrect State', { class: 'refuse', message: `order ${id} is ${found.state}` });
        found.state = 'active';
        return info(id);
      },
      async replay(id, _window, principal) {
        order(id, principal);
        return { job: 1n };
      },
      async backfill(id, _window, principal) {
        order(id, principal);
        return { job: 2n };
      },
      upstream: async () => [],
      foreign: () => [],
    },
    deliveries: {
      list: async () => [],
      get: async (id) => {
        throw unknown(id, `there is no delivery ${id}`);
      },
      missing: async (orderID) => ({ orderID, held: 0, delivered: 0, underway: 0, missing: [], more: false }),
      redrive: async (_id, ids) => (ids === 'dead' ? 3 : ids.length),
      deliverFiles: async () => {
        throw new MpdError('Delivery Failed', {
          class: 'refuse',
          message: 'no such target',
          extraInformation: 'no such target',
        });
      },
      async pull(_id, { waitMs, signal }) {
        if (waitMs) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, waitMs);
            signal.addEventListener('abort', () => {
              clearTimeout(timer);
              resolve();
            });
          });
        }
        return [];
      },
      acknowledge: async () => undefined,
      published: async () => undefined,
    },
    events: {
      async read({ cursor }, limit) {
        if (cursor !== null && Number(cursor) < gateway.floor)
          throw unknown('gap', `events after ${cursor} are no longer kept`);
        if (cursor === null) return { events: [], cursor: String(events.length) };
        const found = events.slice(Number(cursor), Number(cursor) + limit);
        return { events: found, cursor: found.at(-1)?.cursor ?? cursor };
      },
      pages: () => {
        throw new Error('the HTTP binding reads no pages');
      },
      kept: async () => [],
      async *tail({ cursor }, signal) {
        let at = Number(cursor ?? events.length);
        while (!signal.aborted) {
          if (at < gateway.floor) throw unknown('gap', `events after ${at} are no longer kept`);
          const next = events[at];
          if (next !== undefined) {
            yield next;
            at += 1;
            continue;
          }
          await new Promise<void>((resolve) => {
            const wake = (): void => {
              listeners.delete(wake);
              signal.removeEventListener('abort', wake);
              resolve();
            };
            listeners.add(wake);
            signal.addEventListener('abort', wake);
          });
        }
      },
    },
    access: {
      async authenticate(key) {
        const found = gateway.keys.get(key);
        if (found === undefined)
          throw new MpdError('Authentication Failed', { class: 'refuse', message: 'the key is not known' });
        return found;
      },
      async principal(id) {
        const found = [...gateway.keys.values()].find((principal) => principal.id === id);
        if (found === undefined)
          throw new MpdError('Authorisation Fail', { class: 'refuse', message: 'unknown or disabled' });
        return found;
      },
      createKey: async () => ({ id: 'k', key: 'new' }),
      listKeys: async () => [],
      revokeKey: async () => undefined,
      setDisabled: async () => undefined,
      syncConfigured: async () => undefined,
      allows: () => true,
    },
    health: async () => ({ ready: true, parts: [{ kind: 'store', id: 'postgresql', ok: true, reason: 'answers' }] }),
  };
  return gateway;
}
