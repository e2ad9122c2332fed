import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binaryFixed } from '../../encoding/index.js';
import type { Channel, IncomingMessage, MessageHeader } from '../../message.js';
import { maltcpClient } from './connect.js';
import { listenMaltcp } from './listen.js';

const header = (transactionId: bigint, to: string): MessageHeader => ({
  ...{ from: 'maltcp://a:1/x', to, authenticationId: new Uint8Array(0), timestamp: 0n, interactionType: 'SEND' },
  ...{ interactionStage: 1, transactionId, area: 1, service: 1, operation: 1, areaVersion: 1 },
  ...{ isError: false, supplements: [] },
});

describe('messages over maltcp', () => {
  it('arrive whole and in the order they were sent, small and large ones of one turn or of several', async () => {
    let got: IncomingMessage[] = [];
    let wanted = Number.POSITIVE_INFINITY;
    let all = (): void => {};
    const listener = await listenMaltcp({
      ...{ host: '127.0.0.1', port: 0, encodings: [binaryFixed], reject: () => {} },
      receive: (message) => {
        got.push({ ...message, body: Uint8Array.from(message.body) });
        if (got.length === wanted) all();
      },
    });
    const uri = `${listener.rootUri}/x`;
    const dialogue = await maltcpClient({ encoding: binaryFixed }).open(uri, () => {});
    const channel: Channel = dialogue.channel;
    const sizes = fc.oneof(
      fc.nat(300),
      fc.integer({ min: 16_000, max: 17_000 }),
      fc.integer({ min: 30_000, max: 70_000 }),
    );
    const messages = fc.array(fc.record({ size: sizes, pause: fc.boolean(), pieces: fc.integer({ min: 1, max: 3 }) }), {
      minLength: 1,
      maxLength: 30,
    });
    try {
      await fc.assert(
        fc.asyncProperty(messages, async (sent) => {
          got = [];
          wanted = sent.length;
          const arrived = new Promise<void>((resolve) => (all = resolve));
          for (const [i, { size, pause, pieces }] of sent.entries()) {
            const body = Array.from({ length: pieces }, (_, n) => new Uint8Array(size).fill((i + n) % 256));
            await channel.send({ header: header(BigInt(i), uri), body, encoding: binaryFixed });
            if (pause) await new Promise((resolve) => setImmediate(resolve));
          }
          await arrived;
          for (const [i, { size, pieces }] of sent.entries()) {
            const { header: head, body } = got[i]!;
            expect([head.transactionId, body.length]).toEqual([BigInt(i), size * pieces]);
            for (let n = 0; n < pieces; n++) {
              const piece = body.subarray(n * size, (n + 1) * size);
              expect(piece.every((byte) => byte === (i + n) % 256)).toBe(true);
            }
          }
        }),
        { numRuns: 60 },
      );
      got = [];
      wanted = 3;
      const arrived = new Promise<void>((resolve) => (all = resolve));
      for (let i = 0; i < 3; i++)
        void channel.send({ header: header(BigInt(i), uri), body: [], encoding: binaryFixed });
      await dialogue.end();
      await arrived;
      expect(got).toHaveLength(3);
    } finally {
      await listener.close();
    }
  });
});
