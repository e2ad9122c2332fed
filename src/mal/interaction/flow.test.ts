import { describe, expect, it } from 'vitest';
import { failure, starter, TRANSPORTS, until } from '../../../test/mal/transports.js';
import { isMalError } from '../errors.js';
import { Everything } from './test-area.js';

const { add, count } = Everything.operations;

describe.each(TRANSPORTS)('%s, $name', (name, encoding) => {
  const start = starter(name, encoding);

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
});
