import { describe, expect, it } from 'vitest';
import { failure, starter, TRANSPORTS, until } from '../../../test/mal/transports.js';
import { isMalError } from '../errors.js';
import { createConsumer } from './consumer.js';
import { Everything, testArea } from './test-area.js';

const { news, weather } = Everything.operations;

describe.each(TRANSPORTS)('%s, $name', (name, encoding) => {
  const start = starter(name, encoding);

  describe('publish and subscribe', () => {
    const info = (...domain: string[]): { source: string; domain: string[] } => ({ source: 's', domain });
    const topic = (...values: string[]): { name: string; values: { type: 'Identifier'; value: string }[] } => ({
      name: 'topic',
      values: values.map((value) => ({ type: 'Identifier', value })),
    });
    const number = (...values: bigint[]): { name: string; values: { type: 'Long'; value: bigint }[] } => ({
      name: 'number',
      values: values.map((value) => ({ type: 'Long', value })),
    });
    const collect = (updates: AsyncIterable<{ body: { text: string } }>): string[] => {
      const texts: string[] = [];
      void (async () => {
        for await (const { body } of updates) texts.push(body.text);
      })();
      return texts;
    };

    it('hands an update to the subscriptions whose filters and domain it fits', async () => {
      const { consumer, broker } = await start({});
      const subscriptions = {
        all: {},
        a: { filters: [topic('a')] },
        ab7: { filters: [topic('a', 'b'), number(7n)] },
        star: { filters: [topic('*'), number(0n)] },
        none: { filters: [{ name: 'topic', values: [] }] },
        below: { domain: ['x', '*'] },
        exact: { domain: ['x'] },
        end: { domain: ['*', 'z'] },
        inside: { domain: ['*', 'y', '*'] },
        middle: { domain: ['x', '*', 'z'] },
      };
      const seen: Record<string, string[]> = {};
      for (const [id, request] of Object.entries(subscriptions)) {
        seen[id] = collect(await consumer.subscribe(news, { subscriptionId: id, ...request }));
      }
      const handed = [
        broker.publish(news, info('x'), { topic: 'a', number: 7n }, { text: '1' }),
        broker.publish(news, info('x', 'y', 'z'), { topic: 'b', number: 7n }, { text: '2' }),
        broker.publish(news, info('q', 'z'), { topic: 'b', number: 8n }, { text: '3' }),
        broker.publish(weather, info('x'), { place: 'a' }, { text: 'not news' }),
        broker.publish(news, info('x'), { topic: null, number: null } as never, { text: '4' }),
      ];
      await until(() => Object.values(seen).flat().length === 24);
      expect(seen).toEqual({
        all: ['1', '2', '3', '4'],
        a: ['1'],
        ab7: ['1', '2'],
        star: ['1', '2', '3', '4'],
        none: ['1', '2', '3', '4'],
        below: ['1', '2', '4'],
        exact: ['1', '4'],
        end: ['2', '3'],
        inside: ['2'],
        middle: ['2'],
      });
      expect(handed).toEqual([7, 8, 4, 0, 5]);
    });

    it('sends the keys that were selected, in that order', async () => {
      const { consumer, broker } = await start({});
      const full = (await consumer.subscribe(news, {}))[Symbol.asyncIterator]();
      const trimmed = (await consumer.subscribe(news, { selectedKeys: ['number'] }))[Symbol.asyncIterator]();
      const none = (await consumer.subscribe(news, { selectedKeys: [] }))[Symbol.asyncIterator]();
      broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 7n }, { text: 'x' });
      expect((await full.next()).value).toEqual({
        source: null,
        domain: null,
        keys: { topic: 'a', number: 7n },
        body: { text: 'x' },
      });
      expect((await trimmed.next()).value).toMatchObject({ keys: { number: 7n } });
      expect((await none.next()).value.keys).toEqual({});
    });

    it.skipIf(name === 'malhttp')(
      'holds no more subscriptions of one connection than allowed (HTTP has none)',
      async () => {
        const { consumer, broker } = await start({}, { subscriptions: 2 });
        const first = await consumer.subscribe(news, {});
        await consumer.subscribe(weather, {});
        expect(isMalError(await failure(consumer.subscribe(news, {})), 'Too Many')).toBe(true);
        await first.close();
        await consumer.subscribe(news, {});
        expect(broker.subscriptions).toBe(2);
      },
    );

    it('replaces a subscription that is registered again, and forgets one that is deregistered', async () => {
      const { consumer, broker } = await start({});
      const first = await consumer.subscribe(news, { subscriptionId: 'one', filters: [topic('a')] });
      const second = await consumer.subscribe(news, { subscriptionId: 'one', filters: [topic('b')] });
      expect(broker.subscriptions).toBe(1);
      expect(broker.hasSubscribers(news)).toBe(true);
      expect(broker.publish(news, info(), { topic: 'a', number: 1n }, { text: '' })).toBe(0);
      expect(broker.publish(news, info(), { topic: 'b', number: 1n }, { text: '' })).toBe(1);
      await second.close();
      expect(broker.subscriptions).toBe(0);
      expect(broker.hasSubscribers(news)).toBe(false);
      await first.close();
      expect(broker.publish(news, info(), { topic: 'b', number: 1n }, { text: '' })).toBe(0);
    });

    it('refuses keys that the operation does not have', async () => {
      const { consumer, broker } = await start({});
      const bad = await failure(consumer.subscribe(news, { selectedKeys: ['colour'] }));
      expect(isMalError(bad, 'Unknown')).toBe(true);
      const filters = [{ name: 'colour', values: [] }];
      expect(isMalError(await failure(consumer.subscribe(news, { filters })), 'Unknown')).toBe(true);
      expect(broker.subscriptions).toBe(0);
    });

    it('takes what others publish, if they may and have registered', async () => {
      const { consumer, uri, session } = await start(
        {},
        { publishers: (principal) => expect(principal).toBe('somebody') },
      );
      const seen = (await consumer.subscribe(news, { filters: [topic('a')] }))[Symbol.asyncIterator]();
      const publisher = await consumer.publisher(news);
      await publisher.publish(info('x'), { topic: 'b', number: 1n }, { text: 'not for us' });
      await publisher.publish(info('x'), { topic: 'a', number: null }, { text: 'hello' });
      expect((await seen.next()).value).toEqual({
        source: 's',
        domain: ['x'],
        keys: { topic: 'a', number: null },
        body: { text: 'hello' },
      });
      await publisher.close();
      const wrong = { ...Everything, operations: { news: { ...news, keys: weather.keys } } };
      const other = createConsumer({ session, area: testArea, service: wrong, uri });
      expect((await failure(other.publisher(wrong.operations.news))).message).toMatch(
        'the keys of news are topic,number',
      );
    });

    it('takes from others nothing that it was not told to', async () => {
      const { consumer } = await start({});
      expect((await failure(consumer.publisher(news))).message).toMatch('Unsupported Operation');
    });

    it('keeps one failing subscription from the others, and asks for each whether it may', async () => {
      const { consumer, broker, log } = await start({});
      const seen = collect(await consumer.subscribe(news, { subscriptionId: 'good' }));
      await consumer.subscribe(news, { subscriptionId: 'failing' });
      await consumer.subscribe(news, { subscriptionId: 'barred' });
      const allow = ({ subscriptionId, principal }: { subscriptionId: string; principal: string }): boolean => {
        expect(principal).toBe('somebody');
        if (subscriptionId === 'failing') throw new Error('broken policy');
        return subscriptionId === 'good';
      };
      expect(broker.publish(news, info(), { topic: 'a', number: 1n }, { text: 'x' }, { allow })).toBe(1);
      await until(() => seen.length === 1);
      expect(log.some((line) => line.includes('broken policy'))).toBe(true);
    });
  });
});
