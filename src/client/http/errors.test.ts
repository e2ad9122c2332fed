import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { clientOf, refused, stranger } from '../../../test/http/client.js';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { MpdError, unknown } from '../../mpd/index.js';
import { connectHttp } from './index.js';

describe('errors', () => {
  it('come back as they were raised', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    gateway.catalogue.get = async () => {
      throw unknown([0, 3], 'two are not there');
    };
    const ref = product('a', 'x').metadata.productRef;
    expect(await refused(client.getMetadata(ref))).toMatchObject({
      code: 'Unknown',
      class: 'refuse',
      message: 'two are not there',
      extraInformation: [0, 3],
    });
    const order = {
      user: null,
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'CARRIER' as 'FILETRANSFER',
      deliverTo: null,
      comments: null,
    };
    expect(await refused(client.submitOrder(order))).toMatchObject({ code: 'Invalid', field: 'deliveryMethod' });
  });

  it('that pass are waited out for reads, as long as the server wishes', async () => {
    const gateway = fakeGateway();
    const { client } = await clientOf(gateway);
    let calls = 0;
    const types = gateway.catalogue.types;
    gateway.catalogue.types = async (principal) => {
      calls += 1;
      if (calls < 3) throw new MpdError('Delivery Delayed', { class: 'retryAfter', retryAfterMs: 10, message: 'busy' });
      return types(principal);
    };
    expect(await client.types()).toHaveLength(2);
    expect(calls).toBe(3);
  });

  it('never make it submit twice', async () => {
    const gateway = fakeGateway();
    let calls = 0;
    gateway.orders.submit = async () => {
      calls += 1;
      throw new MpdError('Delivery Delayed', { class: 'retry', message: 'busy' });
    };
    const { client } = await clientOf(gateway);
    const order = {
      user: null,
      productFilter: null,
      validityPeriod: null,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: 'file:///x',
      comments: null,
    } as const;
    expect((await refused(client.submitOrder(order))).class).toBe('retry');
    expect(calls).toBe(1);
  });

  it('tell a server that is not there, or is no gateway', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, 'close');
    expect(await refused(connectHttp(`http://127.0.0.1:${port}`).types())).toMatchObject({
      code: 'Destination Unknown',
      class: 'target-down',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    const web = await stranger((_req, res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>hello</p>'));
    expect(await refused(connectHttp(web).types())).toMatchObject({
      code: 'Bad Encoding',
      message: expect.stringContaining('not an answer of a gateway'),
    });
    const plain = await stranger((_req, res) => res.writeHead(404).end('nothing'));
    expect(await refused(connectHttp(plain).types())).toMatchObject({
      code: 'Unknown',
      message: expect.stringContaining('404'),
    });
  });

  it('include redirects: the key goes nowhere else', async () => {
    const seen: IncomingMessage[] = [];
    const other = await stranger((req, res) => {
      seen.push(req);
      res.end('{}');
    });
    const url = await stranger((_req, res) => res.writeHead(302, { Location: other }).end());
    expect(await refused(connectHttp(url, { key: 'secret' }).types())).toMatchObject({
      class: 'refuse',
      message: expect.stringContaining('302'),
    });
    expect(seen).toEqual([]);
  });

  it('include a server that says nothing', async () => {
    const url = await stranger(() => undefined);
    expect(await refused(connectHttp(url, { idleTimeoutMs: 100, retries: 0 }).types())).toMatchObject({
      code: 'Delivery Timedout',
      class: 'retry',
    });
  });

  it.each([
    ['before the answer', (): void => undefined],
    ['in the middle of it', (res: ServerResponse): unknown => res.write('{"types": [')],
  ])('end a call with the reason of its signal, %s', async (_when, answer) => {
    const url = await stranger((_req, res) => void answer(res));
    const stop = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 30);
    await expect(connectHttp(url).types({ signal: stop.signal })).rejects.toBe(reason);
  });
});
