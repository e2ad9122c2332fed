import { describe, expect, it } from 'vitest';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { type Served, serve } from '../../../test/http/serve.js';

/** Blocks of one event stream as they come. */
async function open(served: Served, path = '/api/v1/events', headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const response = await served.fetch(path, {
    headers: { Accept: 'text/event-stream', ...headers },
    signal: leave.signal,
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  const block = async (): Promise<Record<string, string> | null> => {
    while (!held.includes('\n\n')) {
      const { done, value } = await reader.read();
      if (done) return null;
      held += value;
    }
    const end = held.indexOf('\n\n');
    const lines = held.slice(0, end).split('\n');
    held = held.slice(end + 2);
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
    );
  };
  return { response, block, leave: () => leave.abort() };
}

describe('server-sent events', () => {
  it('start with a place to resume from and bring each event with its cursor', async () => {
    const gateway = fakeGateway();
    gateway.publish({});
    const served = await serve(gateway);
    const { response, block, leave } = await open(served);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await block()).toEqual({ retry: '1000' });
    expect(await block()).toEqual({ id: '1' });
    gateway.publish({
      type: 'delivered',
      orderID: 2n ** 60n,
      metadata: product('a', 'x').metadata,
      payload: { big: 2n ** 60n },
    });
    const event = (await block())!;
    expect(event).toMatchObject({ id: '2', event: 'delivered' });
    expect(JSON.parse(event.data!)).toMatchObject({
      orderID: '1152921504606846976',
      payload: { big: '1152921504606846976' },
      metadata: { productRef: { key: 'a' } },
    });
    leave();
  });

  it('resume after Last-Event-ID without loss or repetition', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 5; i++) gateway.publish({});
    const served = await serve(gateway);
    const { block, leave } = await open(served, '/api/v1/events?cursor=1', { 'Last-Event-ID': '2' });
    await block();
    expect(await block()).toEqual({ id: '2' });
    expect([(await block())!.id, (await block())!.id, (await block())!.id]).toEqual(['3', '4', '5']);
    gateway.publish({});
    expect((await block())!.id).toBe('6');
    leave();
  });

  it('say gap when the cursor is too old, at the start and in the middle, and go on from now', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 5; i++) gateway.publish({});
    gateway.floor = 3;
    const served = await serve(gateway);
    const { block, leave } = await open(served, '/api/v1/events', { 'Last-Event-ID': '1' });
    await block();
    expect(await block()).toMatchObject({ event: 'gap', id: '5', data: expect.stringContaining('no longer kept') });
    gateway.publish({});
    expect((await block())!.id).toBe('6');
    gateway.floor = 7;
    gateway.publish({});
    const next = await block();
    expect(next).toMatchObject({ event: 'gap', id: '7' });
    leave();
  });

  it('give signs of life, and end when the key does', async () => {
    const gateway = fakeGateway();
    const served = await serve(gateway, { limits: { heartbeatMs: 30 } });
    const { block } = await open(served);
    await block();
    await block();
    expect(await block()).toEqual({ '': 'alive' });
    gateway.keys.delete('ops-key');
    let last: Record<string, string> | null;
    do last = await block();
    while (last !== null);
    expect(last).toBeNull();
  });

  it('end at once, cleanly, when the gateway stops', async () => {
    const served = await serve(fakeGateway(), { limits: { drainMs: 60_000 } });
    const { block } = await open(served);
    await block();
    await block();
    await served.binding.close();
    expect(await block()).toBeNull();
  });
});

describe('polled events', () => {
  it('come as a page with the cursor to go on from', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 3; i++) gateway.publish({});
    const { fetch } = await serve(gateway);
    const page = (await (await fetch('/api/v1/events?cursor=1')).json()) as {
      events: { cursor: string }[];
      cursor: string;
    };
    expect([page.events.map(({ cursor }) => cursor), page.cursor]).toEqual([['2', '3'], '3']);
    const now = await (await fetch('/api/v1/events')).json();
    expect(now).toEqual({ events: [], cursor: '3' });
  });

  it('are gone, not silent, when the cursor is too old', async () => {
    const gateway = fakeGateway();
    gateway.publish({});
    gateway.floor = 1;
    const { fetch } = await serve(gateway);
    const response = await fetch('/api/v1/events?cursor=0');
    expect([response.status, await response.json()]).toEqual([
      410,
      expect.objectContaining({ code: 'Unknown', extraInformation: 'gap' }),
    ]);
  });
});
