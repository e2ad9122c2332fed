import type { Subscription as SubscriptionBody } from '../area.js';
import type { Encoding } from '../encoding/encoding.js';
import { malError } from '../errors.js';
import type { Channel, MessageHeader } from '../message.js';
import type { PubSubOperation } from '../schema/index.js';
import type { Attribute } from '../types/index.js';
import { isWildcard, matchesDomain, normalized } from './match.js';

/** Who gets updates, as far as a publisher may decide on it. */
export interface Subscriber<P> {
  readonly principal: P;
  /** URI of the consumer. */
  readonly uri: string;
  readonly subscriptionId: string;
}

export interface Registered<P> extends Subscriber<P> {
  readonly operation: PubSubOperation;
  readonly channel: Channel;
  readonly encoding: Encoding;
  /** The subscription id in that encoding. */
  readonly idBytes: readonly Uint8Array[];
  /** Of the consumer's first REGISTER: every NOTIFY carries it. */
  readonly transactionId: bigint;
  /** Address that the consumer registered at. */
  readonly brokerUri: string;
  readonly header: MessageHeader;
  readonly domain: readonly string[] | null;
  /** Places of the keys to send, in this order; null for all. */
  readonly selected: readonly number[] | null;
  /** Accepted values by place of the key; those without a condition are absent. */
  readonly conditions: ReadonlyMap<number, ReadonlySet<string>>;
}

/** @throws MalError Unknown for a key that the operation does not have */
export function conditionsOf(
  operation: PubSubOperation,
  { filters, selectedKeys }: SubscriptionBody,
): Pick<Registered<unknown>, 'conditions' | 'selected'> {
  const place = (key: string): number => {
    const at = operation.keys.fields.findIndex((field) => field.name === key);
    if (at === -1) throw malError('Unknown', `${operation.name} has no key ${JSON.stringify(key)}`);
    return at;
  };
  const conditions = new Map<number, ReadonlySet<string>>();
  for (const { name, values } of filters ?? []) {
    const at = place(name);
    if (values.length === 0 || values.some(isWildcard)) continue;
    const wanted = new Set(values.map(normalized));
    const before = conditions.get(at);
    conditions.set(at, before === undefined ? wanted : new Set([...before].filter((value) => wanted.has(value))));
  }
  return { conditions, selected: selectedKeys === null ? null : selectedKeys.map(place) };
}

/** @param keys normalized values by place; null for a key without value */
export function accepts<P>(
  subscription: Registered<P>,
  domain: readonly string[] | null,
  keys: readonly (string | null)[],
): boolean {
  return matchesDomain(domain, subscription.domain) && acceptsKeys(subscription, keys);
}

export function acceptsKeys<P>(subscription: Registered<P>, keys: readonly (string | null)[]): boolean {
  for (const [at, values] of subscription.conditions) {
    const key = keys[at] ?? null;
    if (key === null || !values.has(key)) return false;
  }
  return true;
}

export const normalizedKeys = (keys: readonly (Attribute | null)[]): (string | null)[] =>
  keys.map((key) => (key === null ? null : normalized(key)));
