import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Identifier, MalString, Subscription } from '../../area.js';
import { createBroker } from '../../broker/index.js';
import { binaryFixed, binarySplit, binaryVariable, readError } from '../../encoding/index.js';
import { createProvider, endpoint } from '../../interaction/provider.js';
import { Everything, testArea, testGrammar } from '../../interaction/test-area.js';
import { encodeBody, type MessageHeader } from '../../message.js';
import { body, list } from '../../schema/index.js';
import type { TransportLimits } from '../limits.js';
import { Frames } from './frames.js';
import { decodeHeader, encodeHeader } from './header.js';
import { type Listener, listenMaltcp } from './listen.js';

/** What a provider does about peers that misbehave, seen from a bare socket. */

const LIMIT = 100_000;
const { add, news, store } = Everything.operations;

let listener: Listener;
let broker: ReturnType<typeof createBroker<string>>;
let log: string[];
const sockets: Socket[] = [];

async function start(limits: Partial<TransportLimits> = {}): Promise<void> {
  log = [];
  broker = createBroker<string>({ grammar: testGrammar });
  const provider = createProvider<string>({
    grammar: testGrammar,
    endpoints: [
      endpoint(
        'Everything',
        testArea,
        Everything,
        {
          add: ({ a, b }) => ({ sum: a + (b ?? 0n) }),
          store: () => {},
          async count({ to, size }, { ack, update }) {
            await ack({});
            for (let number = 0; number < to; number++) await update({ number, body: new Uint8Array(size) });
            return { total: to };
          },
        },
        broker,
      ),
    ],
    authenticate: () => 'somebody',
    log: (_level, event, details) => log.push(`${event} ${JSON.stringify(details)}`),
  });
  listener = await listenMaltcp({
    host: '127.0.0.1',
    port: 0,
    encodings: [binaryFixed, binaryVariable, binarySplit],
    receive: provider.receive,
    reject: provider.reject,
    limits: { message: LIMIT, ...limits },
    log: (_level, event, details) => log.push(`${event} ${JSON.stringify(details)}`),
  });
}

beforeEach(() => start());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener.close(100);
});

interface Answer {
  readonly header: MessageHeader;
  readonly body: Buffer;
}

/** A peer made of a bare socket. */
interface Bare {
  readonly socket: Socket;
  readonly answers: Answer[];
  readonly closed: Promise<void>;
  answer(transactionId: bigint): Promise<Answer>;
}

async function bare(): Promise<Bare> {
  const socket = connect(Number(new URL(listener.rootUri.replace('maltcp', 'http')).port), '127.0.0.1');
  sockets.push(socket);
  const answers: Answer[] = [];
  const frames = new Frames(2 ** 27, {
    held: () => false,
    keep: () => true,
    frame: (frame) => {
      const { header, bodyStart } = decodeHeader(frame, { from: '', to: '', now: 0n });
      answers.push({ header, body: frame.subarray(bodyStart) });
    },
    tooLong: () => {},
    broken: () => {},
  });
  socket.on('data', (chunk: Buffer) => frames.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise((resolve) => socket.once('connect', resolve));
  return {
    socket,
    answers,
    closed,
    async answer(transactionId) {
      for (;;) {
        const found = answers.find(({ header }) => header.transactionId === transactionId);
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
}

let transactions = 0n;
const header = (over: Partial<MessageHeader> = {}): MessageHeader => ({
  from: 'maltcp://127.0.0.1:50505/tester',
  to: `${listener.rootUri}/Everything`,
  authenticationId: new Uint8Array(0),
  timestamp: 0n,
  interactionType: 'REQUEST',
  interactionStage: 1,
  transactionId: ++transactions,
  area: testArea.number,
  service: Everything.number,
  operation: add.number,
  areaVersion: testArea.version,
  isError: false,
  supplements: [],
  ...over,
});

const message = (head: MessageHeader, content: Uint8Array): Buffer =>
  Buffer.concat([encodeHeader(head, 0, content.length), content]);
const addBody = Buffer.concat(encodeBody(testGrammar, binaryFixed, add.request, { a: 2n, b: 3n }));
const sumOf = (answer: Answer): bigint => {
  expect(answer.header.isError).toBe(false);
  return testGrammar.body(add.response).read(binaryFixed.createReader(answer.body)).sum;
};
const errorOf = (answer: Answer): { stage: number; text: string } => {
  expect(answer.header.isError).toBe(true);
  const { number, message: text } = readError(testGrammar, binaryFixed.createReader(answer.body), () => '');
  return { stage: answer.header.interactionStage, text: `${number}${text}` };
};

describe('a maltcp provider', () => {
  it('answers with addresses swapped and all that identifies the interaction copied', async () => {
    const peer = await bare();
    const request = header();
    peer.socket.write(message(request, addBody));
    const answer = await peer.answer(request.transactionId);
    expect(sumOf(answer)).toBe(5n);
    expect(answer.header).toMatchObject({
      from: request.to,
      to: request.from,
      area: 200,
      service: 3,
      operation: 3,
      areaVersion: 4,
      interactionStage: 2,
      supplements: [],
    });
  });

  it('reads messages that come in one piece, in many, or byte by byte', async () => {
    const peer = await bare();
    const requests = [header(), header(), header()];
    const stream = Buffer.concat(requests.map((request) => message(request, addBody)));
    peer.socket.write(stream);
    for (const request of requests) expect(sumOf(await peer.answer(request.transactionId))).toBe(5n);
    const slow = header();
    for (const byte of message(slow, addBody)) {
      peer.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sumOf(await peer.answer(slow.transactionId))).toBe(5n);
  });

  it('accepts short URIs and answers to the address of the socket', async () => {
    const peer = await bare();
    const request = header({ from: 'tester', to: 'Everything' });
    peer.socket.write(message(request, addBody));
    const answer = await peer.answer(request.transactionId);
    expect(answer.header.to).toBe(`maltcp://127.0.0.1:${peer.socket.localPort}/tester`);
    expect(answer.header.from).toBe(`${listener.rootUri}/Everything`);
  });

  it('serves fixed, variable and split from one port, each connection by what it sends', async () => {
    for (const encoding of [binaryFixed, binaryVariable, binarySplit]) {
      const peer = await bare();
      const first = header({ interactionType: 'SUBMIT', operation: store.number });
      peer.socket.write(message(first, Buffer.concat(encodeBody(testGrammar, encoding, store.submit, { text: 'é' }))));
      expect((await peer.answer(first.transactionId)).header.isError).toBe(false);
      const request = header();
      const content = Buffer.concat(encodeBody(testGrammar, encoding, add.request, { a: -70_000n, b: null }));
      peer.socket.write(message(request, content));
      const { body: answer } = await peer.answer(request.transactionId);
      expect(testGrammar.body(add.response).read(encoding.createReader(answer))).toEqual({ sum: -70_000n });
    }
  });

  it.each([
    ['a body cut short', () => message(header(), addBody.subarray(0, 5)), 2, '65549'],
    [
      'a body of nonsense',
      () => message(header({ operation: 2, interactionType: 'SUBMIT' }), Buffer.alloc(9, 0xff)),
      2,
      '65549',
    ],
    ['an unknown operation', () => message(header({ operation: 99 }), addBody), 2, '65548: operation 99'],
    ['an operation of another pattern', () => message(header({ interactionType: 'PROGRESS' }), addBody), 2, '65548'],
    ['an unknown service', () => message(header({ service: 99 }), addBody), 2, '65547: service 99'],
    ['an unknown area', () => message(header({ area: 99 }), addBody), 2, '65545: area 99'],
    ['another area version', () => message(header({ areaVersion: 1 }), addBody), 2, '65546'],
    [
      'an unknown endpoint',
      () => message(header({ to: 'maltcp://x:1/Nobody' }), addBody),
      2,
      '65539: Endpoint not found: Nobody',
    ],
    [
      'a publisher',
      () => message(header({ interactionType: 'PUBSUB', interactionStage: 3, operation: 6 }), addBody),
      4,
      '65548',
    ],
    [
      'a publication',
      () => message(header({ interactionType: 'PUBSUB', interactionStage: 5, operation: 6 }), addBody),
      5,
      '65548',
    ],
    ['a message that is too long', () => message(header(), Buffer.alloc(LIMIT)), 2, '65549: a message of'],
  ])('answers %s with its MAL error and goes on', async (_, create, stage, text) => {
    const peer = await bare();
    const first = header();
    peer.socket.write(message(first, addBody));
    await peer.answer(first.transactionId);
    peer.socket.write(create());
    const answer = errorOf(await peer.answer(transactions));
    expect(answer.stage).toBe(stage);
    expect(answer.text.startsWith(text)).toBe(true);
    const next = header();
    peer.socket.write(message(next, addBody));
    expect(sumOf(await peer.answer(next.transactionId))).toBe(5n);
  });

  it('answers another version of the binding with Bad Encoding', async () => {
    const peer = await bare();
    const request = message(header(), addBody);
    request[4] = (request[4]! & 0x1f) | (3 << 5);
    peer.socket.write(request);
    expect(errorOf(await peer.answer(transactions)).text).toBe('65549: maltcp version 3');
  });

  it('answers nothing to errors, answers and one-way messages, and skips a header it cannot read', async () => {
    const peer = await bare();
    peer.socket.write(message(header({ isError: true }), addBody));
    peer.socket.write(message(header({ interactionStage: 2 }), addBody));
    peer.socket.write(message(header({ interactionType: 'SEND', operation: 99 }), addBody));
    const unreadable = message(header(), addBody);
    unreadable.writeUInt32BE(0xffff_ffff, 23);
    peer.socket.write(unreadable);
    const last = header();
    peer.socket.write(message(last, addBody));
    await peer.answer(last.transactionId);
    expect(peer.answers).toHaveLength(1);
    expect(log.some((line) => line.includes('without a readable header'))).toBe(true);
  });

  it('closes a stream that is no sequence of messages', async () => {
    for (const garbage of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\x00\x00\x00\x05hello', '\x20'.repeat(64)]) {
      const peer = await bare();
      peer.socket.write(garbage);
      await peer.closed;
    }
    expect(log.filter((line) => line.includes('no message has'))).toHaveLength(2);
    expect(log.filter((line) => line.includes('524.2-B-1'))).toHaveLength(1);
  });

  async function subscribe(from: string): Promise<Bare> {
    const register = Buffer.concat(
      encodeBody(testGrammar, binaryFixed, body({ subscription: Subscription }), {
        subscription: { subscriptionId: 's', domain: null, selectedKeys: null, filters: null },
      }),
    );
    const peer = await bare();
    const request = header({ from, interactionType: 'PUBSUB', operation: news.number });
    peer.socket.write(message(request, register));
    await peer.answer(request.transactionId);
    return peer;
  }

  it('waits for subscribers in a burst that is more than their bound, but not for ever for one that does not read', async () => {
    await listener.close(100);
    await start({ queuedBytes: 4_000_000 });
    const one = await subscribe('maltcp://a:1/one');
    const other = await subscribe('maltcp://b:1/other');
    const burst = async (): Promise<void> => {
      for (let i = 0; i < 300; i++) {
        broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 1n }, { text: 'x'.repeat(50_000) });
        await broker.relief();
      }
    };
    const heard = async (peer: Bare, count: number): Promise<void> => {
      while (peer.answers.length < count + 1) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await burst();
    expect(broker.subscriptions).toBe(2);
    await heard(one, 300);
    await heard(other, 300);
    one.socket.pause();
    await burst();
    expect(broker.subscriptions).toBe(1);
    await heard(other, 600);
  });

  it('drops a subscriber that never reads, and no other', async () => {
    await listener.close(100);
    await start({ queuedBytes: 1_000_000, queuedMessages: 100_000 });
    const deaf = await subscribe('maltcp://a:1/deaf');
    const good = await subscribe('maltcp://b:1/good');
    deaf.socket.pause();
    expect(broker.subscriptions).toBe(2);
    let published = 0;
    const text = 'x'.repeat(50_000);
    while (broker.subscriptions === 2 && published < 2000) {
      broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 1n }, { text });
      published++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(broker.subscriptions).toBe(1);
    expect(log.some((line) => line.includes('unread'))).toBe(true);
    while (good.answers.length < published + 1) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('drops a peer that leaves a message unfinished, or its answers untaken', async () => {
    await listener.close(100);
    await start({ stallMs: 100 });
    const half = await bare();
    half.socket.write(message(header(), addBody).subarray(0, 40));
    await half.closed;
    const deaf = await bare();
    deaf.socket.pause();
    const content = encodeBody(testGrammar, binaryFixed, Everything.operations.count.progress, {
      to: 500,
      size: 90_000,
    });
    const request = header({ interactionType: 'PROGRESS', operation: Everything.operations.count.number });
    deaf.socket.write(message(request, Buffer.concat(content)));
    while (!log.some((line) => line.includes('took nothing'))) await new Promise((resolve) => setTimeout(resolve, 10));
    const idle = await bare();
    await new Promise((resolve) => setTimeout(resolve, 250));
    const next = header();
    idle.socket.write(message(next, addBody));
    expect(sumOf(await idle.answer(next.transactionId))).toBe(5n);
  });

  it('keeps no more of unfinished messages than allowed, over all connections', async () => {
    await listener.close(100);
    await start({ unfinishedBytes: 150_000 });
    const unfinished = message(header(), Buffer.alloc(90_000)).subarray(0, 80_000);
    const first = await bare();
    first.socket.write(unfinished);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const second = await bare();
    second.socket.write(unfinished);
    await second.closed;
    first.socket.destroy();
    await first.closed;
    while (listener.connections > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const third = await bare();
    third.socket.write(unfinished);
    const request = header();
    const fourth = await bare();
    fourth.socket.write(message(request, addBody));
    expect(sumOf(await fourth.answer(request.transactionId))).toBe(5n);
    expect(third.socket.destroyed).toBe(false);
    expect(log.filter((line) => line.includes('too many unfinished'))).toHaveLength(1);
  });

  it('takes no more connections than allowed', async () => {
    await listener.close(100);
    await start({ connections: 2 });
    const first = await bare();
    await bare();
    const third = await bare();
    await third.closed;
    first.socket.destroy();
    await first.closed;
    while (listener.connections > 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const request = header();
    const fourth = await bare();
    fourth.socket.write(message(request, addBody));
    expect(sumOf(await fourth.answer(request.transactionId))).toBe(5n);
  });

  it('survives mutated and truncated messages, and answers good ones all the while', async () => {
    let state = 99;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const texts = encodeBody(testGrammar, binarySplit, body({ a: list(Identifier), b: MalString }), {
      a: ['x'],
      b: 'y',
    });
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 100; round++) {
      const peer = await bare();
      for (let i = 0; i < 100; i++) {
        const bytes = message(
          header({ operation: 1 + random(8), interactionType: random(2) === 0 ? 'REQUEST' : 'PROGRESS' }),
          random(2) === 0 ? addBody : Buffer.concat(texts),
        );
        for (let flips = 1 + random(4); flips > 0; flips--)
          bytes[random(4) === 0 ? random(4) : 4 + random(bytes.length - 4)] = random(256);
        peer.socket.write(random(5) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
      }
      if (round % 10 === 0) {
        const good = await bare();
        const request = header();
        good.socket.write(message(request, addBody));
        expect(sumOf(await good.answer(request.transactionId))).toBe(5n);
        good.socket.destroy();
      }
      peer.socket.destroy();
    }
    expect(log.filter((line) => line.startsWith('internal error'))).toEqual([]);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });
});
