import { describe, expect, it } from 'vitest';
import { failure, starter, until } from '../../../test/mal/transports.js';
import { binarySplit } from '../encoding/index.js';
import { isMalError } from '../errors.js';
import { createConsumer } from './consumer.js';
import { Everything, testArea } from './test-area.js';

const { note, add, news } = Everything.operations;

describe('a maltcp consumer', () => {
  const start = starter('maltcp', binarySplit);

  it('registers again when its connection was cut, and misses nothing published after that', async () => {
    const { consumer, broker, session, uri } = await start({});
    const states: string[] = [];
    const onState = (state: string): number => states.push(state);
    const updates = (await consumer.subscribe(news, { subscriptionId: 'a' }, { onState }))[Symbol.asyncIterator]();
    (await session.link(uri, 'subscriptions')).channel.close('cut');
    await until(() => states.length === 3);
    expect(states).toEqual(['registered', 'lost', 'registered']);
    expect(broker.subscriptions).toBe(1);
    broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 1n }, { text: 'after' });
    expect((await updates.next()).value).toMatchObject({ body: { text: 'after' } });
  });

  it('is told at once when the connection of its call ends', async () => {
    const { consumer, session, uri } = await start({ add: () => new Promise(() => {}) }, { timeoutMs: 60_000 });
    const call = failure(consumer.request(add, { a: 1n, b: null }));
    const link = await session.link(uri, 'calls');
    await new Promise((resolve) => setTimeout(resolve, 20));
    link.channel.close('cut');
    expect(isMalError(await call, 'Destination Lost')).toBe(true);
  });

  it('learns that nobody listens', async () => {
    const { session, uri } = await start({});
    const nowhere = createConsumer({
      session,
      area: testArea,
      service: Everything,
      uri: uri.replace(/:\d+/, ':1'),
    });
    expect(isMalError(await failure(nowhere.send(note, { text: '' })), 'Destination Transient')).toBe(true);
    const none = createConsumer({ session, area: testArea, service: Everything, uri: 'http://x' });
    expect(isMalError(await failure(none.send(note, { text: '' })), 'Destination Unknown')).toBe(true);
  });
});
