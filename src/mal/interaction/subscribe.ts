import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Identifier, Subscription, type SubscriptionFilter, UpdateHeader } from '../area.js';
import { isMalError } from '../errors.js';
import { encodeBody, type IncomingMessage, type MessageHeader } from '../message.js';
import { body, list, type PubSubOperation } from '../schema/index.js';
import { PUBSUB } from '../stages.js';
import type { ReplyReader } from './consumer.js';
import { isLost } from './exchange.js';
import type { CallOptions, Link, Session, Target } from './session.js';

const REGISTER = body({ subscription: Subscription });
const DEREGISTER = body({ subscriptionIds: list(Identifier) });
const EMPTY = body({});

export interface SubscriptionRequest {
  /** Made up when absent; ids are unique to a consumer and broker, across operations. */
  readonly subscriptionId?: string;
  readonly domain?: readonly string[] | null;
  readonly selectedKeys?: readonly string[] | null;
  readonly filters?: readonly SubscriptionFilter[] | null;
}

export interface SubscribeOptions extends CallOptions {
  /** Registers again when the connection was lost; default true. */
  readonly resubscribe?: boolean;
  /** Hears when the subscription stands, and when its connection is lost: what is published in between is missed. */
  readonly onState?: (state: 'registered' | 'lost', error?: unknown) => void;
}

export interface Update<K, N> {
  readonly source: string | null;
  readonly domain: readonly string[] | null;
  /** Values of the selected keys, null where the publisher has none. */
  readonly keys: { readonly [P in keyof K]?: K[P] | null };
  readonly body: N;
}

/** Updates as they come in; iterate once. */
export interface Updates<K, N> extends AsyncIterable<Update<K, N>> {
  readonly subscriptionId: string;
  /** Deregisters and ends the iteration. */
  close(): Promise<void>;
}

interface Context<K, N> {
  readonly session: Session;
  readonly target: Target;
  readonly operation: PubSubOperation<K, N>;
  readonly reply: ReplyReader;
}

/** More updates than this unread, and the connection is paused. */
const MANY_UPDATES = 1000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;

/** Listeners of each connection, by subscription id. */
const listeners = new WeakMap<Link, Map<string, (message: IncomingMessage) => void>>();

export async function subscribe<K, N>(
  context: Context<K, N>,
  request: SubscriptionRequest,
  options: SubscribeOptions = {},
): Promise<Updates<K, N>> {
  const { session, target, operation, reply } = context;
  const { grammar, transport } = session;
  const subscriptionId = request.subscriptionId ?? randomUUID();
  const subscription: Subscription = {
    subscriptionId,
    domain: request.domain ?? null,
    selectedKeys: request.selectedKeys ?? null,
    filters: request.filters ?? null,
  };
  const queue: Update<K, N>[] = [];
  let wake: (() => void) | null = null;
  let failure: unknown = null;
  let closed = false;
  let paused: Link | null = null;
  let current: Link | null = null;
  const stopped = new AbortController();

  function take(message: IncomingMessage, link: Link): void {
    try {
      queue.push(readUpdate(subscription, message));
    } catch (error) {
      session.log('warn', 'unreadable notification', { subscriptionId, reason: (error as Error).message });
      return;
    }
    if (queue.length > MANY_UPDATES && paused === null) {
      paused = link;
      link.channel.pause();
    }
    wake?.();
  }

  function unpause(): void {
    paused?.channel.resume();
    paused = null;
  }

  /** Each subscription is a consumer of its own to the broker: to deregister one must not end others, as it does at some brokers. */
  const headerOf = (link: Link, stage: number): MessageHeader => ({
    ...link.header(target, 'PUBSUB', stage, link.nextTransaction()),
    from: `${link.ownUri}-${subscriptionId}`,
  });

  async function register(): Promise<void> {
    const link = await session.link(target.uri, 'subscriptions');
    listen(link, session, subscriptionId, (message) => take(message, link));
    const header = headerOf(link, PUBSUB.register);
    const exchange = await link.start(
      header,
      encodeBody(grammar, transport.encoding, REGISTER, { subscription }),
      options,
    );
    try {
      reply(await exchange.next(), PUBSUB.registerAck, EMPTY);
    } catch (error) {
      listeners.get(link)?.delete(subscriptionId);
      throw error;
    } finally {
      exchange.finish();
    }
    current = link;
    link.channel.onClose(() => {
      if (current !== link || closed) return;
      current = null;
      options.onState?.('lost');
      if (paused === link) paused = null;
      if (session.closed) void close();
      else if (options.resubscribe === false) fail(new Error('the connection of the subscription was lost'));
      else void again();
    });
    options.onState?.('registered');
  }

  async function again(): Promise<void> {
    for (let wait = FIRST_RETRY_MS; !closed; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
      try {
        await register();
        return;
      } catch (error) {
        if (closed) return;
        if (session.closed) return close();
        if (!isLost(error) && !isMalError(error, 'Delivery Timedout') && !isMalError(error, 'Shutdown'))
          return fail(error);
        options.onState?.('lost', error);
        await sleep(wait, undefined, { signal: stopped.signal, ref: true }).catch(() => {});
      }
    }
  }

  function fail(error: unknown): void {
    failure = error;
    wake?.();
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    stopped.abort();
    options.signal?.removeEventListener('abort', onAbort);
    unpause();
    wake?.();
    const link = current;
    current = null;
    if (link === null) return;
    listeners.get(link)?.delete(subscriptionId);
    if (!link.channel.open) return;
    const header = headerOf(link, PUBSUB.deregister);
    const message = encodeBody(grammar, transport.encoding, DEREGISTER, { subscriptionIds: [subscriptionId] });
    const exchange = await link.start(header, message, { timeoutMs: options.timeoutMs });
    try {
      reply(await exchange.next(), PUBSUB.deregisterAck, EMPTY);
    } catch (error) {
      if (!isLost(error)) throw error;
    } finally {
      exchange.finish();
    }
  }

  const onAbort = (): void => {
    close().catch((error: unknown) =>
      session.log('warn', 'not deregistered', { subscriptionId, reason: (error as Error).message }),
    );
  };
  await register();
  options.signal?.addEventListener('abort', onAbort);
  return {
    subscriptionId,
    close,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const update = queue.shift();
          if (update !== undefined) {
            if (queue.length * 2 < MANY_UPDATES) unpause();
            yield update;
          } else if (closed) {
            return;
          } else if (failure !== null) {
            throw failure;
          } else {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
            wake = null;
          }
        }
      } finally {
        await close();
      }
    },
  };

  function readUpdate({ selectedKeys }: Subscription, message: IncomingMessage): Update<K, N> {
    const reader = transport.encoding.createReader(message.body);
    grammar.codec(Identifier).read(reader);
    const { source, domain, keyValues } = grammar.codec(UpdateHeader).read(reader);
    const names = selectedKeys ?? operation.keys.fields.map((field) => field.name);
    const keys = Object.fromEntries(names.map((name, i) => [name, keyValues?.[i]?.value?.value ?? null]));
    return {
      source,
      domain,
      keys: keys as Update<K, N>['keys'],
      body: grammar.body(operation.publishNotify).read(reader),
    };
  }
}

/** Hands the notifications of a connection to their subscriptions. */
function listen(link: Link, session: Session, id: string, take: (message: IncomingMessage) => void): void {
  let known = listeners.get(link);
  if (known === undefined) {
    const byId = new Map<string, (message: IncomingMessage) => void>();
    known = byId;
    listeners.set(link, byId);
    link.notified = (message) => {
      try {
        const reader = session.transport.encoding.createReader(message.body);
        byId.get(session.grammar.codec(Identifier).read(reader))?.(message);
      } catch (error) {
        session.log('warn', 'unreadable notification', { reason: (error as Error).message });
      }
    };
  }
  known.set(id, take);
}
