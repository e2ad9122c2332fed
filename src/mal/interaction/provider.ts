import { Identifier, Subscription } from '../area.js';
import type { Broker } from '../broker/broker.js';
import type { Grammar } from '../encoding/grammar.js';
import { isMalError, type MalError, malError } from '../errors.js';
import {
  type Channel,
  decodeBody,
  endpointName,
  type IncomingMessage,
  type Log,
  type MessageHeader,
  noLog,
  type Peer,
} from '../message.js';
import {
  type AreaDescriptor,
  type BodyDescriptor,
  body,
  list,
  type OperationDescriptor,
  type ServiceDescriptor,
} from '../schema/index.js';
import { errorStage, isFromInitiator, PUBSUB } from '../stages.js';
import type { AnyHandler, Handlers } from './handlers.js';
import { createReplies } from './replies.js';
import { inputOf, serve } from './serve.js';
import { createSignals } from './signals.js';

/** A name that consumers send to, and what answers there. */
export interface Endpoint<P> {
  readonly name: string;
  readonly area: AreaDescriptor;
  readonly service: ServiceDescriptor;
  readonly handlers: ReadonlyMap<string, AnyHandler<P>>;
  readonly broker: Broker<P> | null;
}

/** An endpoint with handlers checked against the service's declaration. */
export const endpoint = <S extends ServiceDescriptor, P>(
  name: string,
  area: AreaDescriptor,
  service: S,
  handlers: Handlers<S, P>,
  broker: Broker<P> | null = null,
): Endpoint<P> => ({
  name,
  area,
  service,
  handlers: new Map(Object.entries(handlers).filter(([, handler]) => handler !== undefined)) as unknown as ReadonlyMap<
    string,
    AnyHandler<P>
  >,
  broker,
});

export interface ProviderLimits {
  /** Interactions at a time; of one connection more wait unread, above the total they are refused. */
  readonly perConnection: number;
  readonly total: number;
}

export interface ProviderOptions<P> {
  readonly grammar: Grammar;
  readonly endpoints: readonly Endpoint<P>[];
  /** Finds out who asks. @throws MalError Authentication Failed, Authorisation Fail */
  readonly authenticate: (request: { readonly header: MessageHeader; readonly peer: Peer }) => P | Promise<P>;
  /** Turns what a handler threw into the error to send; what it leaves null is sent as Internal. */
  readonly toMalError?: (error: unknown, operation: OperationDescriptor) => MalError | null;
  readonly limits?: Partial<ProviderLimits>;
  readonly now?: () => number;
  readonly log?: Log;
}

export interface Provider {
  /** Serves one message; give it to the listeners. */
  readonly receive: (message: IncomingMessage, channel: Channel) => void;
  /** Answers a message that the transport could not take in whole. */
  readonly reject: (header: MessageHeader, error: MalError, channel: Channel) => void;
  readonly inFlight: number;
  /** Answers new messages with Shutdown, waits for the interactions under way, then aborts the rest. */
  stop(graceMs: number): Promise<void>;
}

const LIMITS: ProviderLimits = { perConnection: 64, total: 4096 };

const REGISTER = body({ subscription: Subscription });
const DEREGISTER = body({ subscriptionIds: list(Identifier) });

const registration = (stage: number): BodyDescriptor | null =>
  stage === PUBSUB.register ? REGISTER : stage === PUBSUB.deregister ? DEREGISTER : null;

const PATTERNS: Readonly<Record<MessageHeader['interactionType'], OperationDescriptor['pattern']>> = {
  SEND: 'send',
  SUBMIT: 'submit',
  REQUEST: 'request',
  INVOKE: 'invoke',
  PROGRESS: 'progress',
  PUBSUB: 'pubsub',
};

export function createProvider<P>(options: ProviderOptions<P>): Provider {
  const { grammar } = options;
  const log = options.log ?? noLog;
  const limits = { ...LIMITS, ...options.limits };
  const endpoints = new Map(options.endpoints.map((entry) => [entry.name, entry]));
  const operations = new Map(
    options.endpoints.map(({ service }) => [
      service,
      new Map(Object.values(service.operations).map((operation) => [operation.number, operation])),
    ]),
  );
  const replies = createReplies(grammar, options.now ?? Date.now);
  const busy = new Map<Channel, number>();
  const signals = createSignals();
  const idle: (() => void)[] = [];
  let inFlight = 0;
  let stopping = false;

  function reject(header: MessageHeader, error: MalError, channel: Channel): void {
    const stage = errorStage(header.interactionType, header.interactionStage);
    if (stage === null || header.isError || !channel.open) return;
    replies.error(channel, channel.encodings[0]!, header, stage, error, null).catch((cause: unknown) => {
      log('warn', 'error not sent', { to: header.from, reason: (cause as Error).message });
    });
  }

  /** Lets a message that is refused unread settle the encoding all the same: its sender could not read the answer else. */
  function refuse(message: IncomingMessage, error: MalError, channel: Channel): void {
    const { header } = message;
    if (channel.encodings.length > 1) {
      const asked = options.endpoints.find(
        ({ area, service }) => area.number === header.area && service.number === header.service,
      );
      const operation = asked && operations.get(asked.service)?.get(header.operation);
      const type =
        operation?.pattern === 'pubsub' ? registration(header.interactionStage) : operation && inputOf(operation);
      try {
        if (type) decodeBody(grammar, channel, type, message.body);
      } catch (cause) {
        if (!isMalError(cause)) throw cause;
      }
    }
    reject(header, error, channel);
  }

  function receive(message: IncomingMessage, channel: Channel): void {
    const { header } = message;
    if (header.isError || !isFromInitiator(header.interactionType, header.interactionStage)) {
      log('warn', 'message of no interaction here', { from: header.from, transactionId: String(header.transactionId) });
      return;
    }
    try {
      if (stopping) throw malError('Shutdown', 'this provider is being stopped');
      if (inFlight >= limits.total) throw malError('Too Many', `more than ${limits.total} interactions at a time`);
      const [target, operation] = find(header);
      begin(channel);
      run(target, operation, message, channel)
        .catch((error: unknown) => log('warn', 'interaction failed', { from: header.from, reason: String(error) }))
        .finally(() => end(channel));
    } catch (error) {
      refuse(message, isMalError(error) ? error : internal(error), channel);
    }
  }

  async function run(
    target: Endpoint<P>,
    operation: OperationDescriptor,
    message: IncomingMessage,
    channel: Channel,
  ): Promise<void> {
    const { header } = message;
    try {
      const principal = await options.authenticate({ header, peer: channel.peer });
      if (operation.pattern === 'pubsub') {
        await target.broker!.receive({ message, channel, principal, operation, replies });
        return;
      }
      const handler = target.handlers.get(operation.name)!;
      await serve({
        grammar,
        replies,
        message,
        channel,
        principal,
        operation,
        handler,
        signals,
        toMalError,
      });
    } catch (error) {
      refuse(message, toMalError(error, operation), channel);
    }
  }

  function toMalError(error: unknown, operation: OperationDescriptor): MalError {
    if (isMalError(error)) return error;
    return options.toMalError?.(error, operation) ?? internal(error);
  }

  function internal(error: unknown): MalError {
    log('warn', 'internal error', { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    return malError('Internal', 'internal error', error);
  }

  /** @throws MalError naming what is not here */
  function find(header: MessageHeader): readonly [Endpoint<P>, OperationDescriptor] {
    const name = endpointName(header.to);
    const target = endpoints.get(name);
    if (target === undefined) throw malError('Destination Unknown', `Endpoint not found: ${name}`);
    const { area, service } = target;
    if (header.area !== area.number) throw malError('Unsupported Area', `area ${header.area}`);
    if (header.areaVersion !== area.version) {
      throw malError('Unsupported Area Version', `version ${header.areaVersion} of area ${area.name}`);
    }
    if (header.service !== service.number) throw malError('Unsupported Service', `service ${header.service}`);
    const operation = operations.get(service)?.get(header.operation);
    const offered =
      operation !== undefined &&
      (operation.pattern === 'pubsub' ? target.broker !== null : target.handlers.has(operation.name));
    if (!offered) {
      throw malError('Unsupported Operation', `operation ${operation?.name ?? header.operation} of ${service.name}`);
    }
    if (operation.pattern !== PATTERNS[header.interactionType]) {
      throw malError('Unsupported Operation', `${operation.name} is no ${header.interactionType}`);
    }
    return [target, operation];
  }

  function begin(channel: Channel): void {
    inFlight++;
    const count = (busy.get(channel) ?? 0) + 1;
    busy.set(channel, count);
    if (count === limits.perConnection) channel.pause();
  }

  function end(channel: Channel): void {
    inFlight--;
    const count = busy.get(channel)! - 1;
    if (count === 0) busy.delete(channel);
    else busy.set(channel, count);
    if (count === limits.perConnection - 1) channel.resume();
    if (inFlight === 0) for (const resolve of idle.splice(0)) resolve();
  }

  return {
    receive,
    reject,
    get inFlight() {
      return inFlight;
    },
    async stop(graceMs) {
      stopping = true;
      if (inFlight === 0) return;
      const done = new Promise<void>((resolve) => idle.push(resolve));
      const timer = setTimeout(() => signals.end(malError('Shutdown', 'this provider is being stopped')), graceMs);
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, graceMs + 1000).unref())]);
      clearTimeout(timer);
    },
  };
}
