import { once } from 'node:events';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { certificateFor } from '../../../test/certificate.js';
import { fakeGateway } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';
import { connectHttp } from '../../client/index.js';

describe('a listener', () => {
  it('says that its port is in use', async () => {
    const { port } = await serve(fakeGateway());
    await expect(serve(fakeGateway(), { port })).rejects.toMatchObject({
      code: 'Invalid',
      field: 'listen.http.port',
      message: expect.stringContaining(`port ${port} on 127.0.0.1 is in use`),
    });
  });

  it('says that its host is not here', async () => {
    await expect(serve(fakeGateway(), { host: '192.0.2.1' })).rejects.toMatchObject({ field: 'listen.http.host' });
  });

  it('says that its certificate is none', async () => {
    await expect(serve(fakeGateway(), { tls: { cert: 'x', key: 'y' } })).rejects.toMatchObject({
      code: 'Invalid',
      field: 'listen.http.tls',
    });
  });
});

describe('TLS', () => {
  it('is spoken when configured', async () => {
    const tls = await certificateFor('127.0.0.1');
    const { url } = await serve(fakeGateway(), { tls });
    expect(url).toMatch(/^https:/);
    const call = request(`${url}/healthz`, { ca: tls.cert }).end();
    const [response] = await once(call, 'response');
    expect(response.statusCode).toBe(200);
    expect(response.headers['strict-transport-security']).toBe('max-age=31536000');
    response.resume();
    const trusting = connectHttp(url, { key: 'ops-key', ca: tls.cert });
    expect(await trusting.types()).toHaveLength(2);
    await trusting.close();
    const wary = connectHttp(url, { key: 'ops-key' });
    await expect(wary.types()).rejects.toMatchObject({
      class: 'target-down',
      message: expect.stringContaining('self-signed'),
    });
    await wary.close();
  });
});

it('a port that another program holds is free again after close', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(serve(fakeGateway(), { port })).rejects.toMatchObject({ code: 'Invalid' });
  other.close();
  await once(other, 'close');
  const { binding } = await serve(fakeGateway(), { port });
  await binding.close();
  expect((await serve(fakeGateway(), { port })).port).toBe(port);
});
