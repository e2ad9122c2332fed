import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Subscription } from '../../area.js';
import { createBroker } from '../../broker/index.js';
import { binaryFixed, binarySplit, readError } from '../../encoding/index.js';
import { createConsumer } from '../../interaction/consumer.js';
import { createProvider, endpoint } from '../../interaction/provider.js';
import { createSession } from '../../interaction/session.js';
import { Everything, testArea, testGrammar } from '../../interaction/test-area.js';
import { encodeBody, type MessageHeader } from '../../message.js';
import { body } from '../../schema/index.js';
import { parseTime } from '../../types/index.js';
import type { Listener } from '../maltcp/listen.js';
import { malhttpClient } from './connect.js';
import { decodeHeaders, encodeHeaders } from './header.js';
import { listenMalhttp } from './listen.js';

const { add, news } = Everything.operations;
let listener: Listener;
let broker: ReturnType<typeof createBroker<string>>;
const log: string[] = [];

beforeEach(async () => {
  log.length = 0;
  broker = createBroker<string>({ grammar: testGrammar });
  const { receive, reject } = createProvider<string>({
    grammar: testGrammar,
    endpoints: [endpoint('Everything', testArea, Everything, { add: ({ a }) => ({ sum: a }) }, broker)],
    authenticate: () => 'somebody',
  });
  listener = await listenMalhttp({
    host: '127.0.0.1',
    port: 0,
    encodings: [binaryFixed],
    receive,
    reject,
    limits: { message: 10_000 },
    log: (_level, event, details) => log.push(`${event} ${JSON.stringify(details)}`),
  });
});
afterEach(() => listener.close(100));

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

function post(headers: Readonly<Record<string, unknown>>, content: Uint8Array, method = 'POST'): Promise<Answer> {
  const url = `${listener.rootUri.replace('malhttp', 'http')}/Everything`;
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers: headers as Record<string, string> }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    call.on('error', reject);
    call.end(content);
  });
}

const header = (over: Partial<MessageHeader> = {}): MessageHeader => ({
  from: 'malhttp://127.0.0.1:1/me',
  to: `${listener.rootUri}/Everything`,
  authenticationId: new Uint8Array(0),
  timestamp: parseTime('2026-02-01T00:00:00.5Z'),
  interactionType: 'REQUEST',
  interactionStage: 1,
  transactionId: -5n,
  area: 200,
  service: 3,
  operation: add.number,
  areaVersion: 4,
  isError: false,
  supplements: [],
  ...over,
});
const content = Buffer.concat(encodeBody(testGrammar, binaryFixed, add.request, { a: 2n, b: null }));
const headersOf = (over: Partial<MessageHeader> = {}, bytes = content): Record<string, unknown> =>
  encodeHeaders(header(over), binaryFixed, bytes.length);
const errorText = (answer: Answer): string =>
  readError(testGrammar, binaryFixed.createReader(answer.body), String).message;

describe('malhttp', () => {
  it('carries the MAL header in HTTP headers, as the published stack does', () => {
    const value = header({
      supplements: [
        { name: 'a&b', value: { type: 'String', value: 'x=y é' } },
        { name: 'n', value: { type: 'Long', value: -3n } },
        { name: 'none', value: null },
      ],
      authenticationId: new Uint8Array([1, 255]),
      from: 'malhttp://127.0.0.1:1/é世',
    });
    const headers = encodeHeaders(value, binaryFixed, 7);
    expect(headers).toMatchObject({
      'X-MAL-Timestamp': '2026-032T00:00:00.500',
      'X-MAL-Version-Number': '2',
      'X-MAL-To': encodeURIComponent(`${listener.rootUri}/Everything`),
      'X-MAL-Authentication-Id': '01ff',
      'X-MAL-Transaction-Id': '-5',
      'X-MAL-Encoding': 'esa.mo.mal.encoder.binary.fixed.FixedBinaryStreamFactory',
      'Content-Length': 7,
    });
    const lower = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), String(text)]));
    expect(decodeHeaders(lower)).toEqual(value);
  });

  it('answers in the response', async () => {
    const answer = await post(headersOf(), content);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'x-mal-to': 'malhttp%3A%2F%2F127.0.0.1%3A1%2Fme',
      'x-mal-interaction-stage': '2',
      'x-mal-is-error-message': 'False',
    });
    expect(testGrammar.body(add.response).read(binaryFixed.createReader(answer.body))).toEqual({ sum: 2n });
  });

  it('answers errors in the response too, with status 200', async () => {
    const answer = await post(headersOf({ operation: 99 }), content);
    expect([answer.status, answer.headers['x-mal-is-error-message']]).toEqual([200, 'True']);
    expect(errorText(answer)).toContain('operation 99');
    expect(errorText(await post(headersOf({}, content.subarray(3)), content.subarray(3)))).toContain('65549');
    const other = { ...headersOf(), 'X-MAL-Encoding': 'org.example.OtherFactory' };
    expect(errorText(await post(other, content))).toContain('OtherFactory is not offered');
    const long = Buffer.alloc(20_000);
    expect(errorText(await post(headersOf({}, long), long))).toContain('the limit is 10000');
  });

  it('answers nothing to what needs no answer', async () => {
    expect((await post(headersOf({ interactionType: 'SEND', operation: 1 }), content)).status).toBe(204);
    expect((await post(headersOf({ interactionStage: 2 }), content)).status).toBe(204);
    expect((await post(headersOf({ isError: true }), content)).status).toBe(204);
  });

  it('refuses HTTP that is no MAL', async () => {
    expect((await post({}, Buffer.alloc(0), 'GET')).status).toBe(405);
    expect((await post({}, content)).status).toBe(400);
    for (const name of ['X-MAL-From', 'X-MAL-Operation', 'X-MAL-Interaction-Type']) {
      const { [name]: _, ...rest } = headersOf();
      expect((await post(rest, content)).status).toBe(400);
    }
    for (const wrong of [
      { 'X-MAL-Operation': '70000' },
      { 'X-MAL-Transaction-Id': 'x' },
      { 'X-MAL-Timestamp': 'now' },
    ]) {
      expect((await post({ ...headersOf(), ...wrong }, content)).status).toBe(400);
    }
  });

  it('posts to no other address than the one that asked', async () => {
    const register = Buffer.concat(
      encodeBody(testGrammar, binaryFixed, body({ subscription: Subscription }), {
        subscription: { subscriptionId: 's', domain: null, selectedKeys: null, filters: null },
      }),
    );
    const over = {
      from: 'malhttp://169.254.169.254/latest',
      interactionType: 'PUBSUB',
      operation: news.number,
    } as const;
    expect((await post(headersOf(over, register), register)).status).toBe(200);
    expect(broker.subscriptions).toBe(1);
    expect(broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 1n }, { text: '' })).toBe(0);
    expect(broker.subscriptions).toBe(0);
    expect(log.some((line) => line.includes('not the address of the consumer'))).toBe(true);
  });

  it('drops the subscriptions of a consumer that cannot be reached any more', async () => {
    const client = await malhttpClient({ encoding: binaryFixed });
    const session = createSession({ transport: client, grammar: testGrammar });
    const uri = `${listener.rootUri}/Everything`;
    const consumer = createConsumer({ session, area: testArea, service: Everything, uri });
    await consumer.subscribe(news, {});
    expect(broker.subscriptions).toBe(1);
    await client.close();
    broker.publish(news, { source: null, domain: null }, { topic: 'a', number: 1n }, { text: '' });
    while (broker.subscriptions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await session.close();
  });

  it('tells a consumer that nobody, or somebody else, is there', async () => {
    const client = await malhttpClient({ encoding: binarySplit });
    const session = createSession({ transport: client, grammar: testGrammar });
    const at = (uri: string): Promise<unknown> =>
      createConsumer({ session, area: testArea, service: Everything, uri }).request(add, { a: 1n, b: null });
    await expect(at('malhttp://127.0.0.1:1/Everything')).rejects.toThrow('Destination Transient');
    await expect(at('maltcp://127.0.0.1:1/Everything')).rejects.toThrow('Destination Unknown');
    await expect(at(`${listener.rootUri}/Everything`)).rejects.toThrow('not offered');
    await session.close();
    await client.close();
  });
});
