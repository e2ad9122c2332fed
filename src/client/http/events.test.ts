import { describe, expect, it } from 'vitest';
import { all, clientOf, refused, stranger } from '../../../test/http/client.js';
import { fakeGateway } from '../../../test/http/fake-gateway.js';
import { serve } from '../../../test/http/serve.js';
import type { EventItem } from './client.js';
import { connectHttp } from './index.js';

describe('events', () => {
  async function take(items: AsyncIterator<EventItem>, count: number) {
    const found: EventItem[] = [];
    while (found.length < count) found.push((await items.next()).value);
    return found;
  }
  const cursors = (items: readonly EventItem[]) =>
    items.map((item) => (item.kind === 'event' ? item.event.cursor : item.kind));

  it('are followed over a restart of the gateway without loss, repetition or a word', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 3; i++) gateway.publish({});
    const { client, served } = await clientOf(gateway);
    const events = client.events({ cursor: '1' })[Symbol.asyncIterator]();
    expect(cursors(await take(events, 2))).toEqual(['2', '3']);
    const pending = take(events, 2);
    await served.binding.close();
    gateway.publish({});
    gateway.publish({ orderID: 2n ** 60n });
    await serve(gateway, { port: served.port });
    const found = await pending;
    expect(cursors(found)).toEqual(['4', '5']);
    expect(found[1]).toMatchObject({ event: { orderID: 2n ** 60n } });
  });

  it('that nobody kept are a gap', async () => {
    const gateway = fakeGateway();
    for (let i = 0; i < 3; i++) gateway.publish({});
    gateway.floor = 2;
    const { client } = await clientOf(gateway);
    const events = client.events({ cursor: '0' })[Symbol.asyncIterator]();
    expect(cursors(await take(events, 1))).toEqual(['gap']);
    gateway.publish({});
    expect(cursors(await take(events, 1))).toEqual(['4']);
  });

  it('end with the signal and fail when the key is refused', async () => {
    const { client, served } = await clientOf(fakeGateway());
    const stop = new AbortController();
    const done = all(client.events({ signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    expect(await done).toEqual([]);
    const wrong = connectHttp(served.url, { key: 'wrong' });
    expect(await refused(all(wrong.events()))).toMatchObject({ code: 'Authentication Failed' });
  });

  it('on a connection that fell silent are asked for again', async () => {
    let asked = 0;
    const url = await stranger((req, res) => {
      asked += 1;
      res.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (asked === 1) res.write('id: 41\n\n');
      else
        res.write(
          `: seen ${req.headers['last-event-id']}\nid: 42\nevent: gap\ndata: {"message":"${req.headers['last-event-id']}"}\n\n`,
        );
    });
    const client = connectHttp(url, { idleTimeoutMs: 200 });
    const events = client.events()[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ kind: 'gap', message: '41' });
    await events.return?.();
    await client.close();
  });
});
