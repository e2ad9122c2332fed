import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Types that are answered only when told to. */
function slowTypes(gateway: ReturnType<typeof fakeGateway>) {
  let finish = (): void => undefined;
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => (ask = resolve));
  gateway.catalogue.types = () => {
    ask();
    return new Promise((resolve) => (finish = () => resolve([])));
  };
  return { asked, finish: () => finish() };
}

describe('a graceful stop', () => {
  it('lets a request under way end, refuses new ones and closes idle connections', async () => {
    const gateway = fakeGateway();
    const { asked, finish } = slowTypes(gateway);
    const { fetch, binding, port } = await serve(gateway);
    const idle = connect(port, '127.0.0.1');
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    const slow = fetch('/api/v1/types');
    await asked;
    const closing = binding.close();
    await expect(fetch('/healthz')).rejects.toThrow();
    finish();
    expect(await (await slow).json()).toEqual({ types: [] });
    await closing;
  });

  it('refuses a further request on a connection that is still busy', async () => {
    const gateway = fakeGateway();
    const { asked, finish } = slowTypes(gateway);
    const { binding, port, logs } = await serve(gateway);
    const get = 'GET /api/v1/types HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ops-key\r\n\r\n';
    const socket = connect(port, '127.0.0.1', () => socket.write(get));
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    const closed = once(socket, 'close');
    await asked;
    const closing = binding.close();
    socket.write(get);
    while (!logs().includes('"code":"Shutdown"')) await sleep(10);
    finish();
    await Promise.all([closing, closed]);
    expect(received).toMatch(/^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 503 [\s\S]*"code":"Shutdown"/);
  });

  it('ends a listing with the cursor to go on from, and a long poll empty', async () => {
    const gateway = fakeGateway();
    const entry = product('x', 'x');
    gateway.catalogue.listAll = async function* () {
      for (let i = 1; ; i++) {
        yield { entry, cursor: String(i) };
        await sleep(5);
      }
    };
    const pull = gateway.deliveries.pull;
    const polled = new Promise<void>((resolve) => {
      gateway.deliveries.pull = (...args) => {
        resolve();
        return pull(...args);
      };
    });
    const { fetch, binding } = await serve(gateway, { limits: { drainMs: 30_000 } });
    const poll = fetch('/api/v1/orders/1/pull?wait=60');
    const listing = await fetch('/api/v1/products', { headers: { Accept: 'application/x-ndjson' } });
    await polled;
    await binding.close();
    const last = JSON.parse((await listing.text()).trim().split('\n').at(-1)!);
    expect(last.end).toMatchObject({ complete: false, error: { code: 'Shutdown' } });
    expect(Number(last.end.next)).toBe(last.end.count);
    expect(await (await poll).json()).toEqual({ products: [] });
  });

  it('cuts what does not end in time, without a clean end', async () => {
    const gateway = fakeGateway([product('a.pkt', 'x'.repeat(1000))]);
    gateway.body = (entry) => ({
      revision: entry.revision,
      size: 1000,
      claim: null,
      stream: (async function* () {
        yield new Uint8Array(10);
        await new Promise(() => undefined);
      })(),
    });
    const { fetch, binding } = await serve(gateway, { limits: { drainMs: 200 } });
    const response = await fetch('/api/v1/bodies/local/1/a.pkt');
    const body = response.arrayBuffer();
    const cut = expect(body).rejects.toThrow();
    await binding.close();
    await cut;
  });
});
