import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import type { HttpClientOptions } from '../../src/client/http/client.js';
import { connectHttp } from '../../src/client/http/index.js';
import { MpdError } from '../../src/mpd/index.js';
import type { FakeGateway } from './fake-gateway.js';
import { serve } from './serve.js';

/** A client of a gateway that is served for this test. */
export async function clientOf(
  gateway: FakeGateway,
  options: HttpClientOptions = {},
  config: Parameters<typeof serve>[1] = {},
) {
  const served = await serve(gateway, config, { checksums: () => 'sha-256' });
  const client = connectHttp(served.url, { key: 'ops-key', ...options });
  onTestFinished(() => client.close());
  return { client, served };
}

/** A server that is no gateway. */
export async function stranger(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
export const read = async (stream: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await all(stream));
export const sha = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
/** What the work was refused with. */
export const refused = async (work: Promise<unknown>): Promise<MpdError> => {
  const error = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MpdError);
  return error as MpdError;
};
