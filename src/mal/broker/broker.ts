import { setTimeout as sleep } from 'node:timers/promises';
import { Identifier, Subscription } from '../area.js';
import type { Grammar } from '../encoding/grammar.js';
import { malError } from '../errors.js';
import { NO_AUTHENTICATION, type Replies } from '../interaction/replies.js';
import { type Channel, decodeBody, type IncomingMessage, type Log, type MessageHeader, noLog } from '../message.js';
import { type BodyDescriptor, body, list, type PubSubOperation } from '../schema/index.js';
import { PUBSUB } from '../stages.js';
import { type Attribute, fromMs } from '../types/index.js';
import { KeyIndex } from './index-of-keys.js';
import { idBytes, notifyBodies } from './notify.js';
import { createPublishers } from './publishers.js';
import {
  accepts,
  acceptsKeys,
  conditionsOf,
  normalizedKeys,
  type Registered,
  type Subscriber,
} from './subscription.js';

const REGISTER = body({ subscription: Subscription });
const DEREGISTER = body({ subscriptionIds: list(Identifier) });
const EMPTY = body({});

export interface BrokerRequest<P> {
  readonly message: IncomingMessage;
  readonly channel: Channel;
  readonly principal: P;
  readonly operation: PubSubOperation;
  readonly replies: Replies;
}

export interface UpdateInfo {
  readonly source: string | null;
  /** Domain of what the update is about. */
  readonly domain: readonly string[] | null;
}

export interface PublishOptions<P> {
  /** Decides for each matching subscription; by default all get the update. */
  readonly allow?: (subscriber: Subscriber<P>) => boolean;
}

export interface Broker<P> {
  /** Serves a register or deregister. */
  receive(request: BrokerRequest<P>): Promise<void>;
  /**
   * Sends an update to every matching subscription; one that fails does not keep the others from it.
   * @returns how many subscriptions it was handed to
   */
  publish<K, N>(
    operation: PubSubOperation<K, N>,
    info: UpdateInfo,
    keys: K,
    update: N,
    options?: PublishOptions<P>,
  ): number;
  /** Waits a moment for consumers that are behind in reading; for one that stays behind it has waited enough after two seconds. */
  relief(): Promise<void>;
  readonly subscriptions: number;
  /** Whether anybody may get updates of the operation. */
  hasSubscribers(operation: PubSubOperation): boolean;
}

/** Whether a subscription would get an update with these keys, whatever its domain. */
export type WantsKeys = (keys: Readonly<Record<string, unknown>>) => boolean;

export interface BrokerLimits {
  readonly subscriptions: number;
  readonly perConnection: number;
}

export interface BrokerOptions<P> {
  readonly grammar: Grammar;
  /** Refuses a registration by throwing. */
  readonly authorise?: (principal: P, operation: PubSubOperation, subscription: Subscription) => void | Promise<void>;
  /** Called for each new subscription, before its acknowledgement goes out is over: the place to replay what was kept. */
  readonly registered?: (subscriber: Subscriber<P>, operation: PubSubOperation, wants: WantsKeys) => void;
  /** Lets others publish here who may: throws for those who may not. Without it only the provider itself publishes. */
  readonly publishers?: (principal: P, operation: PubSubOperation) => void | Promise<void>;
  readonly limits?: Partial<BrokerLimits>;
  readonly now?: () => number;
  readonly log?: Log;
}

interface Consumer<P> {
  readonly uri: string;
  channel: Channel;
  readonly transactionId: bigint;
  readonly subscriptions: Map<string, Registered<P>>;
}

/** How long publishing is held up by one consumer that does not read. */
const PATIENCE_MS = 2000;

const LIMITS: BrokerLimits = { subscriptions: 100_000, perConnection: 1000 };

/** Keeps subscriptions and hands updates to them; a consumer's subscriptions end with its connection. */
export function createBroker<P>(options: BrokerOptions<P>): Broker<P> {
  const { grammar } = options;
  const limits = { ...LIMITS, ...options.limits };
  const log = options.log ?? noLog;
  const now = options.now ?? Date.now;
  const consumers = new Map<string, Consumer<P>>();
  const byOperation = new Map<PubSubOperation, KeyIndex<P>>();
  const perChannel = new WeakMap<Channel, number>();
  const waited = new WeakMap<Channel, number>();
  let total = 0;

  async function register({ message, channel, principal, operation, replies }: BrokerRequest<P>): Promise<void> {
    const { header } = message;
    const { value, encoding } = decodeBody(grammar, channel, REGISTER, message.body);
    const { subscription } = value;
    const { subscriptionId } = subscription;
    const conditions = conditionsOf(operation, subscription);
    await options.authorise?.(principal, operation, subscription);
    if (!channel.open) return;
    const consumer = consumerOf(header, channel);
    const before = consumer.subscriptions.get(subscriptionId);
    const held = perChannel.get(channel) ?? 0;
    if (before === undefined && (total >= limits.subscriptions || held >= limits.perConnection)) {
      throw malError('Too Many', `no more than ${limits.perConnection} subscriptions over one connection`);
    }
    if (before !== undefined) remove(consumer, before);
    const registered: Registered<P> = {
      principal,
      uri: header.from,
      subscriptionId,
      operation,
      channel,
      encoding,
      idBytes: idBytes(grammar, encoding, subscriptionId),
      transactionId: consumer.transactionId,
      brokerUri: header.to,
      header,
      domain: subscription.domain,
      ...conditions,
    };
    consumer.subscriptions.set(subscriptionId, registered);
    indexOf(operation).add(registered);
    perChannel.set(channel, (perChannel.get(channel) ?? 0) + 1);
    total++;
    const acknowledged = replies.body(channel, encoding, header, PUBSUB.registerAck, EMPTY, {});
    options.registered?.(registered, operation, (keys) =>
      acceptsKeys(registered, normalizedKeys(keyValues(operation, keys))),
    );
    await acknowledged;
  }

  async function deregister({ message, channel, replies }: BrokerRequest<P>): Promise<void> {
    const { header } = message;
    const { value, encoding } = decodeBody(grammar, channel, DEREGISTER, message.body);
    const consumer = consumers.get(header.from);
    for (const id of value.subscriptionIds) {
      const registered = consumer?.subscriptions.get(id);
      if (consumer !== undefined && registered !== undefined) remove(consumer, registered);
    }
    if (consumer?.subscriptions.size === 0) consumers.delete(header.from);
    await replies.body(channel, encoding, header, PUBSUB.deregisterAck, EMPTY, {});
  }

  /** The consumer of a URI; one that comes back over another connection brings none of its old subscriptions. */
  function consumerOf(header: MessageHeader, channel: Channel): Consumer<P> {
    const known = consumers.get(header.from);
    if (known !== undefined && known.channel === channel) return known;
    if (known !== undefined) forget(known);
    const consumer: Consumer<P> = {
      uri: header.from,
      channel,
      transactionId: header.transactionId,
      subscriptions: new Map(),
    };
    consumers.set(header.from, consumer);
    channel.onClose(() => {
      if (consumers.get(consumer.uri) === consumer) forget(consumer);
    });
    return consumer;
  }

  function forget(consumer: Consumer<P>): void {
    if (consumer.subscriptions.size > 0) {
      log('info', 'subscriptions end with their connection', {
        consumer: consumer.uri,
        count: consumer.subscriptions.size,
      });
    }
    for (const registered of [...consumer.subscriptions.values()]) remove(consumer, registered);
    consumers.delete(consumer.uri);
  }

  function remove(consumer: Consumer<P>, registered: Registered<P>): void {
    consumer.subscriptions.delete(registered.subscriptionId);
    indexOf(registered.operation).remove(registered);
    perChannel.set(registered.channel, (perChannel.get(registered.channel) ?? 1) - 1);
    total--;
  }

  function indexOf(operation: PubSubOperation): KeyIndex<P> {
    let index = byOperation.get(operation);
    if (index === undefined) {
      index = new KeyIndex();
      byOperation.set(operation, index);
    }
    return index;
  }

  function distribute(
    operation: PubSubOperation,
    info: UpdateInfo,
    values: readonly (Attribute | null)[],
    update: unknown,
    publishOptions: PublishOptions<P>,
  ): number {
    const normal = normalizedKeys(values);
    const bodies = notifyBodies(grammar, operation, info, values, update);
    const timestamp = fromMs(now());
    let handed = 0;
    for (const subscription of indexOf(operation).candidates(normal)) {
      if (!accepts(subscription, info.domain, normal)) continue;
      try {
        if (publishOptions.allow?.(subscription) === false) continue;
        const { encoding, channel } = subscription;
        const sent = channel.offer({
          header: notifyHeader(subscription, timestamp),
          body: bodies(encoding, subscription.selected, subscription.idBytes),
          encoding,
        });
        if (sent) handed++;
      } catch (error) {
        const { uri, subscriptionId } = subscription;
        log('warn', 'update not sent', { consumer: uri, subscriptionId, reason: (error as Error).message });
      }
    }
    return handed;
  }

  const publishers =
    options.publishers === undefined
      ? null
      : createPublishers<P>(grammar, options.publishers, (operation, info, values, update) =>
          distribute(operation, info, values, update, {}),
        );

  return {
    async receive(request) {
      switch (request.message.header.interactionStage) {
        case PUBSUB.register:
          return register(request);
        case PUBSUB.deregister:
          return deregister(request);
        default:
          if (publishers === null) throw malError('Unsupported Operation', 'only the provider itself publishes here');
          return publishers.receive(request);
      }
    },
    publish: (operation, info, keys, update, publishOptions = {}) =>
      distribute(
        operation as PubSubOperation,
        info,
        keyValues(operation, keys as Readonly<Record<string, unknown>>),
        update,
        publishOptions,
      ),
    async relief() {
      for (const { channel } of consumers.values()) {
        if (channel.congested !== true) {
          if (waited.has(channel)) waited.delete(channel);
          continue;
        }
        const before = waited.get(channel) ?? 0;
        if (before >= PATIENCE_MS) continue;
        const start = performance.now();
        const enough = new AbortController();
        const longest = sleep(PATIENCE_MS - before, undefined, { signal: enough.signal }).catch(() => {});
        await Promise.race([channel.relieved?.(), longest]);
        enough.abort();
        waited.set(channel, before + performance.now() - start);
      }
    },
    get subscriptions() {
      return total;
    },
    hasSubscribers: (operation) => byOperation.get(operation)?.empty === false,
  };
}

function notifyHeader<P>({ header, uri, brokerUri, transactionId }: Registered<P>, timestamp: bigint): MessageHeader {
  return {
    ...header,
    from: brokerUri,
    to: uri,
    authenticationId: NO_AUTHENTICATION,
    supplements: [],
    timestamp,
    transactionId,
    interactionStage: PUBSUB.notify,
    isError: false,
  };
}

/** Values in the order of the declared keys, each with its type. */
function keyValues(
  operation: { readonly keys: BodyDescriptor },
  keys: Readonly<Record<string, unknown>>,
): (Attribute | null)[] {
  return operation.keys.fields.map(({ name, type }) => {
    const value = keys[name] ?? null;
    if (value === null) return null;
    return type.kind === 'any-attribute'
      ? (value as Attribute)
      : ({ type: (type as { name: string }).name, value } as Attribute);
  });
}
