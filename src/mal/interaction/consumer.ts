import type { InteractionType } from '../area.js';
import type { Encoding } from '../encoding/encoding.js';
import { readError } from '../encoding/error-body.js';
import { MalError, malError, malErrorName } from '../errors.js';
import { encodeBody, type IncomingMessage } from '../message.js';
import type {
  AreaDescriptor,
  BodyDescriptor,
  InvokeOperation,
  OperationDescriptor,
  ProgressOperation,
  PubSubOperation,
  RequestOperation,
  SendOperation,
  ServiceDescriptor,
  SubmitOperation,
} from '../schema/index.js';
import type { Exchange } from './exchange.js';
import { createPublisher, type Publisher } from './publish.js';
import type { CallOptions, Link, Session, Target } from './session.js';
import { type SubscribeOptions, type SubscriptionRequest, subscribe, type Updates } from './subscribe.js';

export interface ConsumerOptions {
  readonly session: Session;
  readonly area: AreaDescriptor;
  readonly service: ServiceDescriptor;
  /** Of the provider's endpoint. */
  readonly uri: string;
  /** Of the broker, for subscriptions; exactly as the provider announces it. By default the provider's. */
  readonly brokerUri?: string | null;
}

export interface Invocation<A, R> {
  readonly acknowledgement: A;
  readonly response: Promise<R>;
}

export interface Progression<A, U, R> {
  readonly acknowledgement: A;
  /** Ends before the response; throws what the provider, or the lack of one, made fail. */
  readonly updates: AsyncIterable<U>;
  /** Settles once the updates are read. */
  readonly response: Promise<R>;
}

/**
 * The consumer's side of one service. Every call throws MalError: what the provider answered, Delivery Timedout, Destination Lost
 * or Transient; or the reason of the caller's abort signal.
 */
export interface Consumer {
  send<S>(operation: SendOperation<S>, body: S): Promise<void>;
  submit<S>(operation: SubmitOperation<S>, body: S, options?: CallOptions): Promise<void>;
  request<Q, R>(operation: RequestOperation<Q, R>, body: Q, options?: CallOptions): Promise<R>;
  invoke<Q, A, R>(operation: InvokeOperation<Q, A, R>, body: Q, options?: CallOptions): Promise<Invocation<A, R>>;
  progress<Q, A, U, R>(
    operation: ProgressOperation<Q, A, U, R>,
    body: Q,
    options?: CallOptions,
  ): Promise<Progression<A, U, R>>;
  /** Registers with the broker; resolves once it has acknowledged. */
  subscribe<K, N>(
    operation: PubSubOperation<K, N>,
    subscription: SubscriptionRequest,
    options?: SubscribeOptions,
  ): Promise<Updates<K, N>>;
  /** Registers as a publisher with the broker. */
  publisher<K, N>(operation: PubSubOperation<K, N>, options?: CallOptions): Promise<Publisher<K, N>>;
}

const EMPTY: BodyDescriptor<object> = { fields: [] };

export function createConsumer({ session, area, service, uri, brokerUri }: ConsumerOptions): Consumer {
  const { grammar } = session;
  const { encoding } = session.transport;

  const target = (operation: OperationDescriptor, to = uri): Target => ({
    uri: to,
    area: area.number,
    areaVersion: area.version,
    service: service.number,
    operation: operation.number,
  });

  function start<V>(
    link: Link,
    operation: OperationDescriptor,
    type: InteractionType,
    declared: BodyDescriptor<V>,
    body: V,
    options?: CallOptions,
  ): Promise<Exchange> {
    const header = link.header(target(operation), type, 1, link.nextTransaction());
    return link.start(header, encodeBody(grammar, encoding, declared, body), options);
  }

  const reply = createReplyReader(session, area, encoding);

  return {
    async send(operation, body) {
      const link = await session.link(uri, 'calls');
      const header = link.header(target(operation), 'SEND', 1, link.nextTransaction());
      await link.channel.send({ header, body: encodeBody(grammar, encoding, operation.send, body), encoding });
    },
    async submit(operation, body, options) {
      const link = await session.link(uri, 'calls');
      const exchange = await start(link, operation, 'SUBMIT', operation.submit, body, options);
      try {
        reply(await exchange.next(), 2, EMPTY);
      } finally {
        exchange.finish();
      }
    },
    async request(operation, body, options) {
      const link = await session.link(uri, 'calls');
      const exchange = await start(link, operation, 'REQUEST', operation.request, body, options);
      try {
        return reply(await exchange.next(), 2, operation.response);
      } finally {
        exchange.finish();
      }
    },
    async invoke(operation, body, options) {
      const link = await session.link(uri, 'calls');
      const exchange = await start(link, operation, 'INVOKE', operation.invoke, body, options);
      try {
        const acknowledgement = reply(await exchange.next(), 2, operation.acknowledgement);
        const response = exchange.next().then((message) => reply(message, 3, operation.response));
        const settled = response.finally(() => exchange.finish());
        settled.catch(() => {});
        return { acknowledgement, response: settled };
      } catch (error) {
        exchange.finish();
        throw error;
      }
    },
    async progress(operation, body, options) {
      const { link, release } = await session.acquire(uri);
      let exchange: Exchange;
      try {
        exchange = await start(link, operation, 'PROGRESS', operation.progress, body, options);
      } catch (error) {
        release();
        throw error;
      }
      const finish = (complete: boolean): void => {
        exchange.finish();
        if (complete) release();
        else link.channel.close('the consumer wants no more updates');
      };
      let answered = false;
      try {
        const first = await exchange.next();
        answered = true;
        const acknowledgement = reply(first, 2, operation.acknowledgement);
        const response = deferred<typeof operation.response extends BodyDescriptor<infer R> ? R : never>();
        return {
          acknowledgement,
          updates: updatesOf(operation, exchange, reply, response, finish),
          response: response.promise,
        } as never;
      } catch (error) {
        finish(answered);
        throw error;
      }
    },
    subscribe: (operation, subscription, options) =>
      subscribe({ session, target: target(operation, brokerUri ?? uri), operation, reply }, subscription, options),
    publisher: (operation, options) =>
      createPublisher(session, target(operation, brokerUri ?? uri), operation, reply, options),
  };
}

export type ReplyReader = <V>(message: IncomingMessage, stage: number, type: BodyDescriptor<V>) => V;

function createReplyReader({ grammar }: Session, area: AreaDescriptor, encoding: Encoding): ReplyReader {
  const errorName = (number: number): string =>
    malErrorName(number) ?? area.errors.find((error) => error.number === number)?.name ?? `error ${number}`;
  return (message, stage, type) => {
    const { header, body } = message;
    if (header.isError) throw readError(grammar, encoding.createReader(body), errorName);
    if (header.interactionStage !== stage) {
      throw malError('Incorrect State', `stage ${header.interactionStage} came in place of ${stage}`);
    }
    return type.fields.length === 0 ? ({} as never) : grammar.body(type).read(encoding.createReader(body));
  };
}

async function* updatesOf<U, R>(
  operation: ProgressOperation<unknown, unknown, U, R>,
  exchange: Exchange,
  reply: ReplyReader,
  response: Deferred<R>,
  finish: (complete: boolean) => void,
): AsyncGenerator<U, void> {
  let complete = false;
  try {
    for (;;) {
      const message = await exchange.next();
      if (message.header.isError || message.header.interactionStage === 4) {
        complete = true;
        response.resolve(reply(message, 4, operation.response));
        return;
      }
      yield reply(message, 3, operation.update);
    }
  } catch (error) {
    response.reject(error);
    throw error;
  } finally {
    if (!complete) response.reject(new MalError(0, 'the updates were not read to their end'));
    finish(complete);
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let settle!: Pick<Deferred<T>, 'resolve' | 'reject'>;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...settle };
}
