import { afterAll, beforeAll, expect, it } from 'vitest';
import { certificateFor } from '../../../../test/certificate.js';
import { binarySplit } from '../../encoding/index.js';
import { createConsumer } from '../../interaction/consumer.js';
import { createProvider, endpoint } from '../../interaction/provider.js';
import { createSession } from '../../interaction/session.js';
import { Everything, testArea, testGrammar } from '../../interaction/test-area.js';
import { maltcpClient } from './connect.js';
import { type Listener, listenMaltcp } from './listen.js';

const { add } = Everything.operations;
let listener: Listener;
let certificate: string;
const secure: boolean[] = [];

beforeAll(async () => {
  const { cert, key } = await certificateFor('127.0.0.1');
  certificate = cert;
  const { receive, reject } = createProvider({
    grammar: testGrammar,
    endpoints: [endpoint('Everything', testArea, Everything, { add: ({ a }) => ({ sum: a }) })],
    authenticate: ({ peer }) => secure.push(peer.secure),
  });
  const tls = { key, cert };
  listener = await listenMaltcp({ host: '127.0.0.1', port: 0, encodings: [binarySplit], receive, reject, tls });
});
afterAll(() => listener.close(100));

async function call(tls: { readonly ca?: string } | null): Promise<unknown> {
  const transport = maltcpClient({
    encoding: binarySplit,
    limits: { connectMs: 2000 },
    ...(tls === null ? {} : { tls }),
  });
  const session = createSession({ transport, grammar: testGrammar, timeoutMs: 2000 });
  const uri = `${listener.rootUri}/Everything`;
  const consumer = createConsumer({ session, area: testArea, service: Everything, uri });
  try {
    return await consumer.request(add, { a: 5n, b: null });
  } finally {
    await session.close();
  }
}

it('maltcp over TLS serves who trusts its certificate', async () => {
  expect(await call({ ca: certificate })).toEqual({ sum: 5n });
  expect(secure).toEqual([true]);
});

it('maltcp over TLS is nothing for who does not, or speaks plainly', async () => {
  await expect(call({})).rejects.toThrow('Destination Transient');
  await expect(call(null)).rejects.toThrow('Destination Lost');
  expect(secure).toEqual([true]);
});
