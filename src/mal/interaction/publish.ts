import type { UpdateInfo } from '../broker/broker.js';
import { HEADER, keysOf, PUBLISH_REGISTER, publishBody } from '../broker/publishers.js';
import { encodeBody } from '../message.js';
import { body, type PubSubOperation } from '../schema/index.js';
import { PUBSUB } from '../stages.js';
import type { Attribute } from '../types/index.js';
import type { ReplyReader } from './consumer.js';
import type { CallOptions, Link, Session, Target } from './session.js';

const EMPTY = body({});

/** Publishes through a broker elsewhere, until closed. */
export interface Publisher<K, N> {
  /**
   * Sends one update; nothing tells whether the broker takes it.
   * @throws MalError Destination Lost when the connection has ended: register again
   */
  publish(info: UpdateInfo, keys: { readonly [P in keyof K]: K[P] | null }, update: N): Promise<void>;
  close(): Promise<void>;
}

export async function createPublisher<K, N>(
  session: Session,
  target: Target,
  operation: PubSubOperation<K, N>,
  reply: ReplyReader,
  options: CallOptions = {},
): Promise<Publisher<K, N>> {
  const { grammar, transport } = session;
  const { encoding } = transport;
  const link: Link = await session.link(target.uri, 'calls');
  const transaction = link.nextTransaction();

  async function call(stage: number, content: Uint8Array[]): Promise<void> {
    const exchange = await link.start(link.header(target, 'PUBSUB', stage, transaction), content, options);
    try {
      reply(await exchange.next(), stage + 1, EMPTY);
    } finally {
      exchange.finish();
    }
  }

  const plain = operation as PubSubOperation;
  await call(PUBSUB.publishRegister, encodeBody(grammar, encoding, PUBLISH_REGISTER, keysOf(plain)));
  return {
    publish({ source, domain }, keys, update) {
      const keyValues = operation.keys.fields.map(({ name, type }) => {
        const value = keys[name as keyof K] ?? null;
        return { value: value === null ? null : ({ type: (type as { name: string }).name, value } as Attribute) };
      });
      const content = { [HEADER]: { source, domain, keyValues }, ...update };
      return link.channel.send({
        header: link.header(target, 'PUBSUB', PUBSUB.publish, transaction),
        body: encodeBody(grammar, encoding, publishBody(plain), content),
        encoding,
      });
    },
    close: () => call(PUBSUB.publishDeregister, []),
  };
}
