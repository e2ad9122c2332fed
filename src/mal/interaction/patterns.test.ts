import { describe, expect, it } from 'vitest';
import { failure, starter, TRANSPORTS, until } from '../../../test/mal/transports.js';
import { isMalError, MalError, malError } from '../errors.js';
import { Everything } from './test-area.js';

const { note, store, add, think, count } = Everything.operations;

describe.each(TRANSPORTS)('%s, $name', (name, encoding) => {
  const start = starter(name, encoding);

  it('send hands over a message and waits for nothing', async () => {
    const notes: string[] = [];
    const { consumer } = await start({
      note: ({ text }) => {
        notes.push(text);
        throw new Error('nobody hears of this');
      },
    });
    await consumer.send(note, { text: 'a' });
    await consumer.send(note, { text: 'b' });
    await until(() => notes.length === 2);
    expect(notes).toEqual(['a', 'b']);
  });

  it('submit is acknowledged once it is done, or refused', async () => {
    const stored: string[] = [];
    const { consumer } = await start({
      async store({ text }) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (text === '') throw new MalError(7, 'empty', { extraInformation: [1, 2] });
        stored.push(text);
      },
    });
    await consumer.submit(store, { text: 'x' });
    expect(stored).toEqual(['x']);
    const error = await failure(consumer.submit(store, { text: '' }));
    expect(error).toMatchObject({ number: 7, message: 'Refused', extraInformation: [1, 2] });
  });

  it('request is answered, many at a time, each with its own answer', async () => {
    const { consumer } = await start({
      async add({ a, b }) {
        await new Promise((resolve) => setTimeout(resolve, Number(a % 7n)));
        return { sum: a + (b ?? 0n) };
      },
    });
    const sums = await Promise.all(
      Array.from({ length: 300 }, (_, i) => consumer.request(add, { a: BigInt(i), b: i % 2 === 0 ? null : 1n })),
    );
    expect(sums).toEqual(Array.from({ length: 300 }, (_, i) => ({ sum: BigInt(i + (i % 2)) })));
  });

  it('invoke is acknowledged first and answered later, or fails at either stage', async () => {
    const { consumer } = await start({
      async think({ question }, { ack }) {
        if (question === 'early') throw malError('Unknown', 'no idea');
        await ack({ ticket: 5 });
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (question === 'late') throw new MalError(7, 'no', { extraInformation: [3] });
        return { answer: `${question}!` };
      },
    });
    const { acknowledgement, response } = await consumer.invoke(think, { question: 'why' });
    expect(acknowledgement).toEqual({ ticket: 5 });
    expect(await response).toEqual({ answer: 'why!' });
    expect(isMalError(await failure(consumer.invoke(think, { question: 'early' })), 'Unknown')).toBe(true);
    const late = await consumer.invoke(think, { question: 'late' });
    expect(await failure(late.response)).toMatchObject({ number: 7, extraInformation: [3] });
  });

  it('progress streams updates in order between acknowledgement and response', async () => {
    const { consumer } = await start({
      async count({ to, size }, { ack, update }) {
        await ack({});
        for (let number = 0; number < to; number++) await update({ number, body: new Uint8Array(size).fill(number) });
        return { total: to };
      },
    });
    const { updates, response } = await consumer.progress(count, { to: 200, size: 20_000 });
    let expected = 0;
    for await (const { number, body } of updates) {
      expect([number, body.length, body[19_999]]).toEqual([expected, 20_000, expected & 0xff]);
      expected++;
    }
    expect(await response).toEqual({ total: 200 });
    expect(expected).toBe(200);
  });

  it('progress may fail before the acknowledgement or in the middle', async () => {
    const { consumer } = await start({
      async count({ to }, { ack, update }) {
        if (to < 0) throw new MalError(7, 'no', { extraInformation: [to] });
        await ack({});
        await update({ number: 1, body: new Uint8Array(0) });
        throw new Error('a secret of ours');
      },
    });
    expect(await failure(consumer.progress(count, { to: -1, size: 0 }))).toMatchObject({
      number: 7,
      extraInformation: [-1],
    });
    const { updates, response } = await consumer.progress(count, { to: 1, size: 0 });
    const seen: number[] = [];
    const error = await failure(
      (async () => {
        for await (const { number } of updates) seen.push(number);
      })(),
    );
    expect(seen).toEqual([1]);
    expect(isMalError(error, 'Internal')).toBe(true);
    expect(error.message).not.toContain('secret');
    expect(await failure(response)).toBe(error);
  });
});
