import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Frames } from './frames.js';

const LIMIT = 20_000;

function message(length: number): Buffer {
  const bytes = Buffer.alloc(length, length & 0xff);
  bytes.writeUInt32BE(length, 0);
  return bytes;
}

function read(chunks: readonly Buffer[]): { log: string[]; partial: boolean; kept: Buffer[] } {
  const log: string[] = [];
  const kept: Buffer[] = [];
  const frames = new Frames(LIMIT, {
    held: () => false,
    keep: () => true,
    frame: (frame) => {
      kept.push(Buffer.from(frame));
      log.push(`frame ${frame.length}`);
    },
    tooLong: (length, start) => log.push(`too long ${length}, ${start.length} kept`),
    broken: () => log.push('broken'),
  });
  for (const chunk of chunks) frames.push(chunk);
  return { log, partial: frames.partial, kept };
}

function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, i) => stream.subarray(start, places[i] ?? stream.length));
}

describe('frames', () => {
  it('come out whole, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 27, max: 3000 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (lengths, cuts) => {
          const messages = lengths.map(message);
          const { kept, log, partial } = read(cut(Buffer.concat(messages), cuts));
          expect(Buffer.concat(kept).equals(Buffer.concat(messages))).toBe(true);
          expect(log).toHaveLength(messages.length);
          expect(partial).toBe(false);
        },
      ),
    );
  });

  it('come out one byte at a time', () => {
    const stream = Buffer.concat([message(27), message(100)]);
    expect(read([...stream].map((byte) => Buffer.from([byte]))).log).toEqual(['frame 27', 'frame 100']);
  });

  it('that are too long are skipped, and the next is read', () => {
    const stream = Buffer.concat([message(50), message(LIMIT + 5000), message(60)]);
    for (const cuts of [[], [10_000], [51, 52, 53, 54, 20_000], [50, 8250]]) {
      const { log, partial } = read(cut(stream, cuts));
      expect(log).toEqual(['frame 50', `too long ${LIMIT + 5000}, 8192 kept`, 'frame 60']);
      expect(partial).toBe(false);
    }
  });

  it('stop at a length that no message has, whole or in pieces', () => {
    for (const length of [0, 26, 0x20000000, 0xffffffff]) {
      const bad = Buffer.alloc(40);
      bad.writeUInt32BE(length, 0);
      expect(read([message(30), bad, message(30)]).log).toEqual(['frame 30', 'broken']);
      expect(read([message(30), bad.subarray(0, 2), bad.subarray(2), message(30)]).log).toEqual(['frame 30', 'broken']);
    }
  });

  it('wait while they are held, and come out in order afterwards', () => {
    const seen: number[] = [];
    let held = false;
    const frames = new Frames(LIMIT, {
      held: () => held,
      keep: () => true,
      frame: ({ length }) => {
        seen.push(length);
        held = length === 40;
      },
      tooLong: () => {},
      broken: () => {},
    });
    const stream = Buffer.concat([message(30), message(40), message(50), message(40), message(60)]);
    frames.push(stream.subarray(0, 100));
    expect(seen).toEqual([30, 40]);
    frames.push(stream.subarray(100));
    expect(seen).toEqual([30, 40]);
    held = false;
    frames.resume();
    expect(seen).toEqual([30, 40, 50, 40]);
    held = false;
    frames.resume();
    expect(seen).toEqual([30, 40, 50, 40, 60]);
  });

  it('know when they are in the middle of a message', () => {
    expect(read([message(100).subarray(0, 3)]).partial).toBe(true);
    expect(read([message(100).subarray(0, 99)]).partial).toBe(true);
    expect(read([message(LIMIT + 9000).subarray(0, LIMIT)]).partial).toBe(true);
    expect(read([message(100)]).partial).toBe(false);
  });
});
