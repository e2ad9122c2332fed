import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Gateway, GatewayEvent, Principal } from '../../gateway/api.js';
import {
  type Broker,
  createPace,
  objectRefId,
  type PubSubOperation,
  type Subscriber,
  type WantsKeys,
} from '../../mal/index.js';
import { isMpdError, type ProductMetadata, ProductOrderDelivery } from '../../mpd/index.js';
import type { BodyReader, HeldBody } from './bodies.js';
import type { MalBindingConfig } from './config.js';
import { inOrder } from './in-order.js';
import type { MalCaller, MalPrincipals } from './principals.js';
import { productOf } from './retrieval.js';
import { createSentLog } from './sent.js';

const { notifyProductDelivery, deliverProducts } = ProductOrderDelivery.operations;

/** Reads the events of everybody; each subscriber then gets what it may see. */
const READER: Principal = { id: 'mal', role: 'operator', policy: null };
/** Bodies that are read ahead of the message that goes out. */
const AHEAD = 64;
/** Events between two looks at the clock. */
const STEP = 16;
/** Of publishing at a time: the changes that are taken in meanwhile wait for many answers of the database, each as long as this. */
const TURN_MS = 2;
const RETRY_MS = 500;
const REFRESH_MS = 1000;
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
  /** A subscription has begun: it gets what orders keep. */
  registered(subscriber: Subscriber<MalCaller>, operation: PubSubOperation, wants: WantsKeys): void;
  /** Publishes what happens from now on, until stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A publication that is ready. */
interface Prepared {
  readonly event: GatewayEvent;
  readonly metadata: ProductMetadata;
  /** Null for a notification. */
  readonly body: HeldBody | null;
  /** Why the body is left out. */
  readonly tooLarge: string | null;
}

interface Newcomer {
  readonly subscriber: Subscriber<MalCaller>;
  readonly operation: PubSubOperation;
  readonly wants: WantsKeys;
}

/**
 * Tails the event log into the broker: what any gateway of the database delivers reaches the subscribers here. Subscribers hear
 * from now on, after what orders keep for them (`retain`); the rest of what they missed is in the log.
 */
export function createPublisher(options: PublisherOptions): Publisher {
  const { gateway, broker, principals, bodies, capabilities, log } = options;
  const stopped = new AbortController();
  setMaxListeners(0, stopped.signal);
  const callers = new Map<string, Principal | null>();
  const standing = new Map<bigint, boolean>();
  const newcomers: Newcomer[] = [];
  let publishing = 0;
  const sent = createSentLog({
    record: (batch) => gateway.deliveries.published(batch),
    busy: () => publishing > 0,
    log,
  });
  let refreshed = 0;
  let running: Promise<void> = Promise.resolve();
  /** Behind the last event that went out, or was passed over. */
  let position = '';
  let line: Promise<unknown> = Promise.resolve();

  const types = [
    ...(capabilities.notifyProductDelivery ? (['delivered', 'failed'] as const) : []),
    ...(capabilities.deliverProducts ? (['available'] as const) : []),
  ];

  const exclusive = (work: () => Promise<void>): Promise<void> => {
    const turn = line.then(work);
    line = turn.catch(() => {});
    return turn;
  };

  async function follow(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        for await (const page of gateway.events.pages({ cursor: position, types }, stopped.signal, READER)) {
          await exclusive(() => publishAll(page.events));
          position = page.cursor;
          await sent.room();
        }
      } catch (error) {
        if (stopped.signal.aborted) return;
        const gap = isMpdError(error, 'Unknown');
        log.warn({ err: error }, gap ? 'events were missed: publishing goes on from now' : 'the event log is not read');
        if (gap) await startFromNow().catch((err) => log.warn({ err }, 'the event log is not read'));
        await sleep(RETRY_MS, undefined, { signal: stopped.signal }).catch(() => {});
      }
    }
  }

  async function startFromNow(): Promise<void> {
    position = (await gateway.events.read({ cursor: null, types }, 1, READER)).cursor;
  }

  /** @param only the one subscriber that gets them: they are of the past for the others */
  async function publishAll(events: readonly GatewayEvent[], only: Subscriber<MalCaller> | null = null): Promise<void> {
    publishing++;
    try {
      await learnOrders(events);
      const pace = createPace(TURN_MS);
      let count = 0;
      for await (const ready of prepared(events)) {
        if (stopped.signal.aborted) return;
        if (only === null && newcomers.length > 0) await welcome();
        if (performance.now() - refreshed > REFRESH_MS) await refresh();
        if ('metadata' in ready) publish(ready, only);
        if (only === null) position = ready.event.cursor;
        if (++count % STEP !== 0 && !ready.body?.bytes.length) continue;
        await broker.relief();
        if (pace.over()) await pace.rest();
      }
    } finally {
      publishing--;
    }
  }

  /** Without bodies nothing has to be waited for. */
  function prepared(events: readonly GatewayEvent[]): AsyncIterable<Prepared | Passed> | Iterable<Prepared | Passed> {
    if (events.some(needsBody)) return inOrder(events, AHEAD, withBody, (unused) => unused.body?.release());
    return without(events);
  }

  function* without(events: readonly GatewayEvent[]): Iterable<Prepared | Passed> {
    for (const event of events) {
      const { metadata } = event;
      if (!isHeard(event) || metadata === null) yield { event };
      else yield { event, metadata, body: event.type === 'available' ? EMPTY : null, tooLarge: null };
    }
  }

  async function withBody(event: GatewayEvent): Promise<Prepared | Passed> {
    const { metadata, entry } = event;
    if (!isHeard(event) || metadata === null || !entry) return { event };
    if (!needsBody(event)) return { event, metadata, body: event.type === 'available' ? EMPTY : null, tooLarge: null };
    const size = metadata.fileMetadata?.fileSize ?? 0n;
    if (size > BigInt(bodies.limit)) return { event, metadata, body: EMPTY, tooLarge: leftOut(`${size} bytes`) };
    try {
      const body = await bodies.read({ told: entry }, READER, stopped.signal);
      return { event, metadata, body, tooLarge: null };
    } catch (error) {
      if (stopped.signal.aborted) throw error;
      if (isMpdError(error, 'Too Many')) return { event, metadata, body: EMPTY, tooLarge: leftOut('more bytes') };
      // Changed since: an event of its own tells of that.
      if (isMpdError(error, 'Unknown')) return { event };
      const product = objectRefId(metadata.productRef);
      log.warn({ err: error, order: String(event.orderID), product }, 'not published');
      return { event };
    }
  }

  const leftOut = (size: string): string =>
    `the body has ${size}, one message holds ${bodies.limit}: subscribers were sent the metadata alone`;

  const isHeard = ({ type, orderID }: GatewayEvent): boolean =>
    orderID !== null &&
    broker.hasSubscribers(type === 'available' ? deliverProducts : notifyProductDelivery) &&
    (type === 'available' || standing.get(orderID) === true);

  /** Orders of deliverProductFiles have their own answer; only standing orders notify. */
  async function learnOrders(events: readonly GatewayEvent[]): Promise<void> {
    if (standing.size >= KNOWN_ORDERS) standing.clear();
    for (const { orderID, type } of events) {
      if (orderID === null || type === 'available' || standing.has(orderID)) continue;
      const { kind } = await gateway.orders.get(orderID, READER);
      standing.set(orderID, kind === 'standing');
    }
  }

  function publish({ event, metadata, body, tooLarge }: Prepared, only: Subscriber<MalCaller> | null): void {
    try {
      const owner = event.owner ?? '';
      const shown = options.present(metadata, owner);
      const info = { source: options.source, domain: metadata.productRef.domain };
      const keys = { user: owner, orderID: event.orderID! };
      let asked: Principal | null = null;
      let may = false;
      const allow = (subscriber: Subscriber<MalCaller>): boolean => {
        if (only !== null && subscriber !== only) return false;
        const { principal } = subscriber.principal;
        if (asked === null || principal.id !== asked.id || principal.assertsUser !== asked.assertsUser) {
          asked = principal;
          may = mayHear(principal, owner, metadata, event.entry?.path ?? null);
        }
        return may;
      };
      if (body !== null) {
        const product = productOf(shown, body.bytes);
        const subscribers = broker.publish(deliverProducts, info, keys, { product }, { allow });
        if (subscribers > 0 && event.deliveryId !== null) {
          sent.add({ deliveryId: event.deliveryId, round: Number(event.payload.round ?? 0), subscribers, tooLarge });
        }
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

  function mayHear(principal: Principal, owner: string, metadata: ProductMetadata, path: string | null): boolean {
    const now = callers.get(principal.id);
    if (now == null) return false;
    if (now.role === 'consumer' && principal.assertsUser !== true && owner !== now.id) return false;
    return gateway.access.allows(now, { metadata, path });
  }

  async function refresh(): Promise<void> {
    refreshed = performance.now();
    if (broker.subscriptions === 0) callers.clear();
    for (const id of callers.keys()) callers.set(id, await principals.current(id));
  }

  /** Gives those who have just registered what orders keep for them: all of it before anything newer. */
  async function welcome(): Promise<void> {
    for (let next = newcomers.shift(); next !== undefined; next = newcomers.shift()) {
      const { subscriber, operation, wants } = next;
      try {
        const kept = await gateway.events.kept(
          {
            types: types.filter((type) => (type === 'available') === (operation.name === deliverProducts.name)),
            upTo: position,
            wanted: ({ orderID, user }) => wants({ orderID, user }),
          },
          READER,
        );
        await publishAll(kept, subscriber);
      } catch (error) {
        // The log no longer reaches back to where publishing is: nothing is kept.
        if (!isMpdError(error, 'Unknown')) log.warn({ err: error }, 'kept notifications were not sent');
      }
    }
  }

  return {
    subscribed({ principal }) {
      if (!callers.has(principal.id)) callers.set(principal.id, principal);
    },
    registered(subscriber, operation, wants) {
      newcomers.push({ subscriber, operation, wants });
      void exclusive(welcome);
    },
    async start() {
      if (types.length === 0) return;
      await startFromNow();
      running = follow();
    },
    async stop() {
      stopped.abort();
      await running;
      await line;
      await sent.stop();
    },
  };
}

/** An event that nobody here is to hear of. */
interface Passed {
  readonly event: GatewayEvent;
  readonly body?: undefined;
}

const needsBody = ({ type, payload }: GatewayEvent): boolean =>
  type === 'available' && payload.method === 'SERVICE_COMPLETE';

const withoutPassword = (uri: string): string => uri.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/@]*@/i, '$1@');
