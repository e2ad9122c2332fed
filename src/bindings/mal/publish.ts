import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Gateway, GatewayEvent, Principal } from '../../gateway/api.js';
import { type Broker, type ObjectRef, objectRefId, type Subscriber } from '../../mal/index.js';
import type { FilterTree } from '../../mpd/filter/index.js';
import { isMpdError, type ProductMetadata, ProductOrderDelivery } from '../../mpd/index.js';
import type { BodyReader, HeldBody } from './bodies.js';
import type { MalBindingConfig } from './config.js';
import { inOrder } from './in-order.js';
import type { MalCaller, MalPrincipals } from './principals.js';
import { productOf } from './retrieval.js';

const { notifyProductDelivery, deliverProducts } = ProductOrderDelivery.operations;

/** Reads the events of everybody; each subscriber then gets what it may see. */
const READER: Principal = { id: 'mal', role: 'operator', policy: null };
/** Events that are prepared ahead of the one published: bodies are read meanwhile. */
const AHEAD = 64;
const RETRY_MS = 500;
const EMPTY: HeldBody = { bytes: new Uint8Array(0), release: () => {} };
/** Orders whose kind is remembered. */
const KNOWN_ORDERS = 10_000;

export interface PublisherOptions {
  readonly gateway: Pick<Gateway, 'access' | 'catalogue' | 'deliveries' | 'events' | 'orders'>;
  readonly broker: Broker<MalCaller>;
  readonly principals: MalPrincipals;
  readonly bodies: BodyReader;
  readonly capabilities: MalBindingConfig['capabilities'];
  readonly present: (metadata: ProductMetadata, principal: string) => ProductMetadata;
  readonly source: string;
  readonly log: Logger;
}

export interface Publisher {
  /** Takes note of a subscriber, whose principal is looked up again from time to time. */
  subscribed(caller: MalCaller): void;
  /** Publishes what happens from now on, until stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A publication that is ready. */
interface Prepared {
  readonly event: GatewayEvent;
  readonly metadata: ProductMetadata;
  readonly path: string | null;
  /** Null for a notification. */
  readonly body: HeldBody | null;
}

/**
 * Tails the event log into the broker: what any gateway of the database delivers reaches the subscribers here. Subscribers hear
 * from now on only; what they missed is in the log.
 */
export function createPublisher(options: PublisherOptions): Publisher {
  const { gateway, broker, principals, bodies, capabilities, log } = options;
  const stopped = new AbortController();
  setMaxListeners(0, stopped.signal);
  const callers = new Map<string, Principal | null>();
  const standing = new Map<bigint, boolean>();
  let refreshed = 0;
  let running: Promise<void> = Promise.resolve();

  const types = [
    ...(capabilities.notifyProductDelivery ? (['delivered', 'failed'] as const) : []),
    ...(capabilities.deliverProducts ? (['available'] as const) : []),
  ];

  async function follow(from: string): Promise<void> {
    for (let cursor: string | null = from; !stopped.signal.aborted; ) {
      try {
        const events = gateway.events.tail({ cursor, types }, stopped.signal, READER);
        for await (const { event, ...ready } of inOrder(events, AHEAD, prepare, (unused) => unused?.body?.release())) {
          cursor = event.cursor;
          if ('metadata' in ready) await publish({ event, ...ready });
        }
      } catch (error) {
        if (stopped.signal.aborted) return;
        const gap = isMpdError(error, 'Unknown');
        if (gap) cursor = null;
        log.warn({ err: error }, gap ? 'events were missed: publishing goes on from now' : 'the event log is not read');
        await sleep(RETRY_MS, undefined, { signal: stopped.signal }).catch(() => {});
      }
    }
  }

  async function prepare(
    event: GatewayEvent,
  ): Promise<Prepared | { readonly event: GatewayEvent; readonly body?: undefined }> {
    const { metadata } = event;
    const operation = event.type === 'available' ? deliverProducts : notifyProductDelivery;
    if (metadata === null || event.orderID === null || !broker.hasSubscribers(operation)) return { event };
    try {
      if (event.type !== 'available') {
        if (!(await isStanding(event.orderID))) return { event };
        return { event, metadata, path: await pathOf(metadata.productRef), body: null };
      }
      const body = event.payload.method === 'SERVICE_COMPLETE' ? await bodyOf(event, metadata) : EMPTY;
      if (body === null) return { event };
      return { event, metadata, path: await pathOf(metadata.productRef), body };
    } catch (error) {
      if (stopped.signal.aborted) throw error;
      log.warn(
        { err: error, order: String(event.orderID), product: objectRefId(metadata.productRef) },
        'not published',
      );
      return { event };
    }
  }

  /** Of this very revision; null when the product has changed since: an event of its own tells of that. */
  async function bodyOf(event: GatewayEvent, metadata: ProductMetadata): Promise<HeldBody | null> {
    if ((metadata.fileMetadata?.fileSize ?? 0n) > BigInt(bodies.limit)) return EMPTY;
    const delivery = event.deliveryId === null ? null : await gateway.deliveries.get(event.deliveryId, READER);
    try {
      return await bodies.read(metadata, delivery?.revision ?? null, READER, stopped.signal);
    } catch (error) {
      if (isMpdError(error, 'Too Many')) return EMPTY;
      if (isMpdError(error, 'Unknown')) return null;
      throw error;
    }
  }

  /** Orders of deliverProductFiles have their own answer; only standing orders notify. */
  async function isStanding(orderID: bigint): Promise<boolean> {
    const known = standing.get(orderID);
    if (known !== undefined) return known;
    const { kind } = await gateway.orders.get(orderID, READER);
    if (standing.size >= KNOWN_ORDERS) standing.clear();
    standing.set(orderID, kind === 'standing');
    return kind === 'standing';
  }

  /** Only policies about paths need it; then the product is looked up. */
  async function pathOf(ref: ObjectRef): Promise<string | null> {
    if (![...callers.values()].some((caller) => caller !== null && looksAtPath(caller.policy))) return null;
    const [entry] = await gateway.catalogue.get([ref], READER, stopped.signal);
    return entry?.path ?? null;
  }

  async function publish({ event, metadata, path, body }: Prepared): Promise<void> {
    await refresh();
    try {
      const owner = event.owner ?? '';
      const shown = options.present(metadata, owner);
      const info = { source: options.source, domain: metadata.productRef.domain };
      const keys = { user: owner, orderID: event.orderID! };
      const allow = (subscriber: Subscriber<MalCaller>): boolean =>
        mayHear(subscriber.principal, owner, metadata, path);
      if (body !== null) {
        broker.publish(deliverProducts, info, keys, { product: productOf(shown, body.bytes) }, { allow });
        return;
      }
      const { filename, deliveredTo } = event.payload;
      const update = {
        metadata: shown,
        filename: typeof filename === 'string' ? filename : metadata.productRef.key,
        deliveredTo: typeof deliveredTo === 'string' ? withoutPassword(deliveredTo) : '',
        success: event.type === 'delivered',
      };
      broker.publish(notifyProductDelivery, info, keys, update, { allow });
    } finally {
      body?.release();
    }
  }

  function mayHear({ principal }: MalCaller, owner: string, metadata: ProductMetadata, path: string | null): boolean {
    const now = callers.get(principal.id);
    if (now == null) return false;
    if (now.role === 'consumer' && principal.assertsUser !== true && owner !== now.id) return false;
    return gateway.access.allows(now, { metadata, path });
  }

  async function refresh(): Promise<void> {
    if (Date.now() - refreshed < REFRESH_MS) return;
    refreshed = Date.now();
    if (broker.subscriptions === 0) callers.clear();
    for (const id of callers.keys()) callers.set(id, await principals.current(id));
  }

  return {
    subscribed({ principal }) {
      if (!callers.has(principal.id)) callers.set(principal.id, principal);
    },
    async start() {
      if (types.length === 0) return;
      const { cursor } = await gateway.events.read({ cursor: null, types }, 1, READER);
      running = follow(cursor);
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

const REFRESH_MS = 1000;

function looksAtPath(tree: FilterTree | null): boolean {
  if (tree === null) return false;
  if ('all' in tree) return tree.all.some(looksAtPath);
  if ('any' in tree) return tree.any.some(looksAtPath);
  return 'not' in tree ? looksAtPath(tree.not) : 'pathPrefix' in tree;
}

const withoutPassword = (uri: string): string => uri.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/@]*@/i, '$1@');
