import { afterEach, describe, expect, it } from 'vitest';
import { type Broker, createBroker } from '../broker/index.js';
import { binaryFixed, binarySplit, binaryVariable, type Encoding } from '../encoding/index.js';
import { isMalError, MalError, malError } from '../errors.js';
import type { Log } from '../message.js';
import { inProcessClient } from '../transport/in-process/index.js';
import { listenMalhttp, malhttpClient } from '../transport/malhttp/index.js';
import { listenMaltcp, maltcpClient } from '../transport/maltcp/index.js';
import type { ClientTransport } from '../transport/transport.js';
import { type Consumer, createConsumer } from './consumer.js';
import type { Handlers } from './handlers.js';
import { createProvider, endpoint, type Provider } from './provider.js';
import { createSession, type Session } from './session.js';
import { Everything, testArea, testGrammar } from './test-area.js';

const { note, store, add, think, count, news, weather } = Everything.operations;

interface Setup {
  readonly consumer: Consumer;
  readonly provider: Provider;
  readonly broker: Broker<string>;
  readonly session: Session;
  readonly uri: string;
  readonly log: string[];
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface SetupOptions {
  readonly timeoutMs?: number;
  readonly authenticate?: () => string;
  readonly perConnection?: number;
  readonly subscriptions?: number;
  readonly publishers?: (principal: string) => void;
}

type Start = (handlers: Handlers<typeof Everything, string>, options?: SetupOptions) => Promise<Setup>;

function starter(name: string, encoding: Encoding): Start {
  return async (handlers, options = {}) => {
    const log: string[] = [];
    const write: Log = (_level, event, details) => log.push(`${event} ${JSON.stringify(details)}`);
    const { publishers, subscriptions } = options;
    const broker = createBroker<string>({
      grammar: testGrammar,
      log: write,
      ...(publishers && { publishers }),
      limits: { perConnection: subscriptions ?? 100 },
    });
    const provider = createProvider<string>({
      grammar: testGrammar,
      endpoints: [endpoint('Everything', testArea, Everything, handlers, broker)],
      authenticate: options.authenticate ?? (() => 'somebody'),
      limits: { perConnection: options.perConnection ?? 64 },
      log: write,
    });
    let transport: ClientTransport;
    let root = 'inprocess://provider';
    if (name === 'maltcp') {
      const { receive, reject } = provider;
      const encodings = [binaryFixed, binaryVariable, binarySplit];
      const listener = await listenMaltcp({ host: '127.0.0.1', port: 0, encodings, receive, reject, log: write });
      cleanups.push(() => listener.close());
      root = listener.rootUri;
      transport = maltcpClient({ encoding });
    } else if (name === 'malhttp') {
      const { receive, reject } = provider;
      const listener = await listenMalhttp({
        host: '127.0.0.1',
        port: 0,
        encodings: [encoding],
        receive,
        reject,
        log: write,
      });
      cleanups.push(() => listener.close(100));
      root = listener.rootUri;
      const client = await malhttpClient({ encoding });
      cleanups.push(() => client.close());
      transport = client;
    } else {
      transport = inProcessClient({ receive: provider.receive, encoding });
    }
    const session = createSession({
      transport,
      grammar: testGrammar,
      timeoutMs: options.timeoutMs ?? 5000,
      log: write,
    });
    cleanups.push(() => session.close());
    const uri = `${root}/Everything`;
    const consumer = createConsumer({ session, area: testArea, service: Everything, uri });
    return { consumer, provider, broker, session, uri, log };
  };
}

const failure = async (call: Promise<unknown>): Promise<MalError> => {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MalError);
  return error as MalError;
};

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe.each([
  ['in process', binaryFixed],
  ['maltcp', binaryFixed],
  ['maltcp', binaryVariable],
  ['maltcp', binarySplit],
  ['malhttp', binaryFixed],
  ['malhttp', binarySplit],
] as const)('%s, $name', (name, encoding) => {
  const start = starter(name, encoding);

  it('send hands over a message and waits for nothing', async () => {
    const notes: string[] = [];
    const { consumer } = await start({
      note: ({ text }) => {
        notes.push(text);
        throw new Error('nobody hears of this');
      },
    });
    await consumer.send(note, { text: 'a' });
    await consumer.send(note, { text: 'b' });
    await until(() => notes.length === 2);
    expect(notes).toEqual(['a', 'b']);
  });

  it('submit is acknowledged once it is done, or refused', async () => {
    const stored: string[] = [];
    const { consumer } = await start({
      async store({ text }) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (text === '') throw new MalError(7, 'empty', { extraInformation: [1, 2] });
        stored.push(text);
      },
    });
    await consumer.submit(store, { text: 'x' });
    expect(stored).toEqual(['x']);
    const error = await failure(consumer.submit(store, { text: '' }));
    expect(error).toMatchObject({ number: 7, message: 'Refused', extraInformation: [1, 2] });
  });

  it('request is answered, many at a time, each with its own answer', async () => {
    const { consumer } = await start({
      async add({ a, b }) {
        await new Promise((resolve) => setTimeout(resolve, Number(a % 7n)));
        return { sum: a + (b ?? 0n) };
      },
    });
    const sums = await Promise.all(
      Array.from({ length: 300 }, (_, i) => consumer.request(add, { a: BigInt(i), b: i % 2 === 0 ? null : 1n })),
    );
    expect(sums).toEqual(Array.from({ length: 300 }, (_, i) => ({ sum: BigInt(i + (i % 2)) })));
  });

  it('invoke is acknowledged first and answered later, or fails at either stage', async () => {
    const { consumer } = await start({
      async think({ question }, { ack }) {
        if (question === 'early') throw malError('Unknown', 'no idea');
        await ack({ ticket: 5 });
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (question === 'late') throw new MalError(7, 'no', { extraInformation: [3] });
        return { answer: `${question}!` };
      },
    });
    const { acknowledgement, response } = await consumer.invoke(think, { question: 'why' });
    expect(acknowledgement).toEqual({ ticket: 5 });
    expect(await response).toEqual({ answer: 'why!' });
    expect(isMalError(await failure(consumer.invoke(think, { question: 'early' })), 'Unknown')).toBe(true);
    const late = await consumer.invoke(think, { question: 'late' });
    expect(await failure(late.response)).toMatchObject({ number: 7, extraInformation: [3] });
  });

  it('progress streams updates in order between acknowledgement and response', async () => {
    const { consumer } = await start({
      async count({ to, size }, { ack, update }) {
        await ack({});
        for (let number = 0; number < to; number++) await update({ number, body: new Uint8Array(size).fill(number) });
        return { total: to };
      },
    });
    const { updates, response } = await consumer.progress(count, { to: 200, size: 20_000 });
    let expected = 0;
    for await (const { number, body } of updates) {
      expect([number, body.length, body[19_999]]).toEqual([expected, 20_000, expected & 0xff]);
      expected++;
    }
    expect(await response).toEqual({ total: 200 });
    expect(expected).toBe(200);
  });

  it('progress may fail before the acknowledgement or in the middle', async () => {
    const { consumer } = await start({
      async count({ to }, { ack, update }) {
        if (to < 0) throw new MalError(7, 'no', { extraInformation: [to] });
        await ack({});
        await update({ number: 1, body: new Uint8Array(0) });
        throw new Error('a secret of ours');
      },
    });
    expect(await failure(consumer.progress(count, { to: -1, size: 0 }))).toMatchObject({
      number: 7,
      extraInformation: [-1],
    });
    const { updates, response } = await consumer.progress(count, { to: 1, size: 0 });
    const seen: number[] = [];
    const error = await failure(
      (async () => {
        for await (const { number } of updates) seen.push(number);
      })(),
    );
    expect(seen).toEqual([1]);
    expect(isMalError(error, 'Internal')).toBe(true);
    expect(error.message).not.toContain('secret');
    expect(await failure(response)).toBe(error);
  });

  it('a provider whose consumer wants no more stops', async () => {
    let sent = 0;
    let reason: unknown;
    const { consumer } = await start({
      async count(_, { ack, update, signal }) {
        await ack({});
        try {
          for (;;) {
            signal.throwIfAborted();
            await update({ number: sent++, body: new Uint8Array(100_000) });
          }
        } catch (error) {
          reason = error;
          throw error;
        }
      },
    });
    const { updates } = await consumer.progress(count, { to: 0, size: 0 });
    for await (const { number } of updates) if (number === 3) break;
    await until(() => reason !== undefined);
    expect(isMalError(reason, 'Destination Lost')).toBe(true);
    expect(sent).toBeLessThan(2000);
  });

  it('a consumer that reads slowly slows its provider down, and holds up no other call', async () => {
    let sent = 0;
    const { consumer } = await start({
      async count({ to }, { ack, update }) {
        await ack({});
        for (; sent < to; sent++) await update({ number: sent, body: new Uint8Array(200_000) });
        return { total: sent };
      },
      add: ({ a }) => ({ sum: a }),
    });
    const { updates, response } = await consumer.progress(count, { to: 1000, size: 0 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(sent).toBeLessThan(500);
    expect(await consumer.request(add, { a: 1n, b: null })).toEqual({ sum: 1n });
    let seen = 0;
    for await (const _ of updates) seen++;
    expect(seen).toBe(1000);
    expect(await response).toEqual({ total: 1000 });
  });

  it.skipIf(name === 'malhttp')(
    'more interactions than allowed at a time wait their turn (HTTP has no connection to hold back)',
    async () => {
      let now = 0;
      let most = 0;
      const { consumer } = await start(
        {
          async add({ a }) {
            most = Math.max(most, ++now);
            await new Promise((resolve) => setTimeout(resolve, 2));
            now--;
            return { sum: a };
          },
        },
        { perConnection: 4 },
      );
      await Promise.all(Array.from({ length: 40 }, () => consumer.request(add, { a: 1n, b: null })));
      expect(most).toBe(4);
      expect(now).toBe(0);
    },
  );

  it('a call ends with its time-out or its abort, and what comes later is dropped', async () => {
    const waiting: (() => void)[] = [];
    const { consumer } = await start({
      add: ({ a }) => (a === 1n ? { sum: 1n } : new Promise((resolve) => waiting.push(() => resolve({ sum: a })))),
    });
    const late = await failure(consumer.request(add, { a: 2n, b: null }, { timeoutMs: 20 }));
    expect(isMalError(late, 'Delivery Timedout')).toBe(true);
    const abort = new AbortController();
    const aborted = consumer.request(add, { a: 3n, b: null }, { signal: abort.signal });
    await until(() => waiting.length === 2);
    abort.abort(new Error('changed my mind'));
    await expect(aborted).rejects.toThrow('changed my mind');
    for (const answer of waiting) answer();
    expect(await consumer.request(add, { a: 1n, b: null })).toEqual({ sum: 1n });
  });

  it('what is not offered is refused by the error for it', async () => {
    const { consumer, session, uri } = await start({ add: ({ a }) => ({ sum: a }) });
    const { Everything: service } = testArea.services;
    const wrong = async (area: typeof testArea, to = uri, number: number = service.number): Promise<string> => {
      const other = createConsumer({ session, area, service: { ...service, number }, uri: to });
      return (await failure(other.request(add, { a: 1n, b: null }))).message;
    };
    expect((await failure(consumer.submit(store, { text: '' }))).message).toMatch('Unsupported Operation');
    expect(await wrong({ ...testArea, number: 201 })).toMatch('Unsupported Area: area 201');
    expect(await wrong({ ...testArea, version: 5 })).toMatch('Unsupported Area Version');
    expect(await wrong(testArea, uri, 9)).toMatch('Unsupported Service');
    expect(await wrong(testArea, `${uri}Else`)).toMatch('Destination Unknown: Endpoint not found: EverythingElse');
    expect(await consumer.request(add, { a: 1n, b: null })).toEqual({ sum: 1n });
  });

  it('who may not is told so', async () => {
    const { consumer } = await start(
      { add: ({ a }) => ({ sum: a }) },
      {
        authenticate: () => {
          throw malError('Authorisation Fail', 'not you');
        },
      },
    );
    const error = await failure(consumer.request(add, { a: 1n, b: null }));
    expect(isMalError(error, 'Authorisation Fail')).toBe(true);
    expect(error.extraInformation).toBe('not you');
  });

  it('a provider that stops answers what is under way, and new calls with Shutdown', async () => {
    let answer = (): void => {};
    const { consumer, provider } = await start({
      add: ({ a }) => (a === 1n ? new Promise((resolve) => (answer = () => resolve({ sum: a }))) : { sum: a }),
    });
    const under = consumer.request(add, { a: 1n, b: null });
    await until(() => provider.inFlight === 1);
    const stopped = provider.stop(5000);
    expect(isMalError(await failure(consumer.request(add, { a: 2n, b: null })), 'Shutdown')).toBe(true);
    answer();
    expect(await under).toEqual({ sum: 1n });
    await stopped;
    expect(provider.inFlight).toBe(0);
  });

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
