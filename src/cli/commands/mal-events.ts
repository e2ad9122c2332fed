import { anything, mapOf, mpd, nullable, oneOf, record, text } from '../../client/http/wire/index.js';
import type { GatewayEvent, MalClient } from '../../client/index.js';
import { Long, Time } from '../../mal/index.js';
import { isMpdError, ProductMetadata } from '../../mpd/index.js';
import { notOverMal } from '../wire.js';

const TYPES = ['delivered', 'failed', 'available'] as const;

/** An event as far as the standard tells it, in the words of the event log; `at` is when it came in here. */
export interface MalEvent {
  readonly at: bigint;
  readonly type: (typeof TYPES)[number];
  readonly orderID: bigint | null;
  readonly owner: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly metadata: ProductMetadata;
}

export const MalEventShape = record(
  {
    at: mpd(Time),
    type: oneOf(TYPES),
    orderID: nullable(mpd(Long)),
    owner: nullable(text()),
    payload: mapOf(anything),
    metadata: mpd(ProductMetadata),
  },
  { name: 'MalEvent' },
);

export interface MalEventOptions {
  readonly order?: bigint;
  readonly user?: string;
  readonly types: readonly GatewayEvent['type'][] | undefined;
}

/** What notifyProductDelivery and deliverProducts tell, until the signal. @param note for what the user should know */
export async function* malEvents(
  client: MalClient,
  { order, user, types = TYPES }: MalEventOptions,
  note: (text: string) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<MalEvent> {
  const unknown = types.find((type) => !TYPES.some((known) => known === type));
  if (unknown !== undefined) throw notOverMal(`--type ${unknown}`, `MPD tells of ${TYPES.join(', ')} only`);
  const query = { ...(order !== undefined && { orderID: order }), ...(user !== undefined && { user }) };
  const ended = new AbortController();
  const options = {
    signal: AbortSignal.any([signal, ended.signal]),
    onState: (state: 'registered' | 'lost'): void => {
      if (state === 'lost' && !ended.signal.aborted) void note('gap: the connection was lost; subscribing again');
    },
  };
  const sources: AsyncIterable<MalEvent>[] = [];
  const wants = (...some: readonly string[]): boolean => types.some((type) => some.includes(type));
  try {
    const files = wants('delivered', 'failed') ? await offered(client.watchDeliveries(query, options)) : null;
    const products = wants('available') ? await offered(client.watchProducts(query, options)) : null;
    if (files instanceof Error && (products === null || products instanceof Error)) throw files;
    if (products instanceof Error && files === null) throw products;
    if (files !== null && !(files instanceof Error)) {
      sources.push(
        mapped(files, ({ user: owner, orderID, metadata, filename, deliveredTo, success }) => ({
          ...{ at: now(), type: success ? 'delivered' : 'failed', orderID, owner },
          ...{ payload: { key: metadata.productRef.key, filename, deliveredTo }, metadata },
        })),
      );
    }
    if (products !== null && !(products instanceof Error)) {
      sources.push(
        mapped(products, ({ user: owner, orderID, product: { productMetadata: metadata, productBody } }) => ({
          ...{ at: now(), type: 'available', orderID, owner },
          ...{ payload: { key: metadata.productRef.key, bytes: productBody.length }, metadata },
        })),
      );
    }
    for await (const event of merged(sources)) if (types.includes(event.type)) yield event;
  } finally {
    ended.abort();
  }
}

const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** The error, where the provider does not offer the operation: the other one may do. */
async function offered<T>(subscribing: Promise<T>): Promise<T | Error> {
  try {
    return await subscribing;
  } catch (error) {
    if (isMpdError(error, 'Unsupported Operation')) return error;
    throw error;
  }
}

async function* mapped<T, R>(source: AsyncIterable<T>, map: (item: T) => R): AsyncGenerator<R> {
  for await (const item of source) yield map(item);
}

/** Items of all sources as they come. */
async function* merged<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const step = (i: number) => iterators[i]!.next().then((result) => ({ i, result }));
  const waiting = new Map(iterators.map((_, i) => [i, step(i)]));
  try {
    while (waiting.size > 0) {
      const { i, result } = await Promise.race(waiting.values());
      if (result.done === true) waiting.delete(i);
      else {
        waiting.set(i, step(i));
        yield result.value;
      }
    }
  } finally {
    // A source that still waits ends with the signal; its iterator is not waited for.
    for (const pending of waiting.values()) pending.catch(() => undefined);
  }
}
