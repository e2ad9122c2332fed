import { AttributeType, Identifier, UpdateHeader } from '../area.js';
import type { Grammar } from '../encoding/grammar.js';
import { malError } from '../errors.js';
import { decodeBody } from '../message.js';
import { type BodyDescriptor, body, type FieldDescriptor, list, type PubSubOperation } from '../schema/index.js';
import { PUBSUB } from '../stages.js';
import { type Attribute, attributeTypeItem } from '../types/index.js';
import type { BrokerRequest, UpdateInfo } from './broker.js';

export const PUBLISH_REGISTER = body({ keyNames: list(Identifier), keyTypes: list(AttributeType) });
const EMPTY = body({});

/** Name of the update header among the fields of {@link publishBody}; no field of an operation has a blank in its name. */
export const HEADER = ' header';
const publishBodies = new WeakMap<PubSubOperation, BodyDescriptor<Record<string, unknown>>>();

/** Names and types of an operation's keys, as a publisher registers them. */
export const keysOf = ({ keys }: PubSubOperation): { keyNames: string[]; keyTypes: AttributeType[] } => ({
  keyNames: keys.fields.map(({ name }) => name),
  keyTypes: keys.fields.map(({ type }) => (type.kind === 'attribute' ? attributeTypeItem(type.name) : 'STRING')),
});

/** A PUBLISH body: the update header, then the operation's own fields. */
export function publishBody(operation: PubSubOperation): BodyDescriptor<Record<string, unknown>> {
  let known = publishBodies.get(operation);
  if (known === undefined) {
    const header: FieldDescriptor = { name: HEADER, type: UpdateHeader, nullable: false };
    known = { fields: [header, ...operation.publishNotify.fields] };
    publishBodies.set(operation, known);
  }
  return known;
}

export interface Publishers<P> {
  receive(request: BrokerRequest<P>): Promise<void>;
}

/** Other providers that publish through this broker; what they publish goes to the same subscriptions. */
export function createPublishers<P>(
  grammar: Grammar,
  authorise: (principal: P, operation: PubSubOperation) => void | Promise<void>,
  distribute: (
    operation: PubSubOperation,
    info: UpdateInfo,
    keys: readonly (Attribute | null)[],
    update: unknown,
  ) => number,
): Publishers<P> {
  const registered = new Map<string, object>();
  const idOf = ({ message, operation }: BrokerRequest<P>): string => `${message.header.from} ${operation.name}`;

  async function register(request: BrokerRequest<P>): Promise<void> {
    const { message, channel, operation, replies } = request;
    const { value, encoding } = decodeBody(grammar, channel, PUBLISH_REGISTER, message.body);
    await authorise(request.principal, operation);
    const { keyNames, keyTypes } = keysOf(operation);
    if (value.keyNames.join() !== keyNames.join() || value.keyTypes.join() !== keyTypes.join()) {
      throw malError('Unknown', `the keys of ${operation.name} are ${keyNames.join()}`);
    }
    const id = idOf(request);
    const mark = {};
    registered.set(id, mark);
    channel.onClose(() => {
      if (registered.get(id) === mark) registered.delete(id);
    });
    await replies.body(channel, encoding, message.header, PUBSUB.publishRegisterAck, EMPTY, {});
  }

  function publish(request: BrokerRequest<P>): void {
    const { message, channel, operation } = request;
    if (!registered.has(idOf(request))) throw malError('Incorrect State', `no publisher of ${operation.name}`);
    const { [HEADER]: header, ...update } = decodeBody(grammar, channel, publishBody(operation), message.body).value;
    const { source, domain, keyValues } = header as UpdateHeader;
    if (keyValues?.length !== operation.keys.fields.length) {
      throw malError('Unknown', `${operation.name} has ${operation.keys.fields.length} keys`);
    }
    distribute(
      operation,
      { source, domain },
      keyValues.map(({ value }) => value),
      update,
    );
  }

  async function deregister(request: BrokerRequest<P>): Promise<void> {
    const { message, channel, replies } = request;
    registered.delete(idOf(request));
    const [encoding] = channel.encodings;
    await replies.body(channel, encoding!, message.header, PUBSUB.publishDeregisterAck, EMPTY, {});
  }

  return {
    async receive(request) {
      switch (request.message.header.interactionStage) {
        case PUBSUB.publishRegister:
          return register(request);
        case PUBSUB.publish:
          return publish(request);
        default:
          return deregister(request);
      }
    },
  };
}
