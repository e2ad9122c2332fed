import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodePacket } from '../space-packet/index.js';
import { type HexProblem, readHexPackets, writeHexPackets } from './hex.js';

const packet = (data: Uint8Array) => Buffer.from(encodePacket({ type: 'TM', apid: 3, sequenceCount: 1, data }));

async function read(text: string, cut = 1000) {
  const problems: HexProblem[] = [];
  const packets: string[] = [];
  for await (const one of readHexPackets(pieces(Buffer.from(text), cut), (problem) => problems.push(problem))) {
    packets.push(Buffer.from(one).toString('hex'));
  }
  return { packets, problems };
}

async function write(packets: readonly Uint8Array[]): Promise<string> {
  let text = '';
  for await (const chunk of writeHexPackets(packets)) text += Buffer.from(chunk).toString();
  return text;
}

describe('hex text', () => {
  it('has a zero byte, then counter, length in digits and packet', async () => {
    expect(await write([packet(Uint8Array.of(0xab)), packet(Uint8Array.of(1, 2))])).toBe(
      '00' + '00' + '0000000e' + '0003c0010000ab' + '01' + '00000010' + '0003c00100010102',
    );
  });

  it('comes back, also beyond 256 packets, cut anywhere and broken into lines', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 300, size: 'max' }),
        fc.integer({ min: 1, max: 90 }),
        async (all, cut) => {
          const packets = all.map(packet);
          const text = (await write(packets)).replace(/(.{80})/g, '$1\n').toUpperCase();
          expect(await read(text, cut)).toEqual({ packets: packets.map((one) => one.toString('hex')), problems: [] });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keeps the good packets and names the place of what is wrong', async () => {
    const good = await write([packet(Uint8Array.of(1)), packet(Uint8Array.of(2))]);
    expect(await read(good.slice(0, -3))).toMatchObject({
      packets: { length: 1 },
      problems: [{ reason: 'the file ends within a packet', position: 26 }],
    });
    expect(await read(`${good}xyz`)).toMatchObject({
      packets: { length: 2 },
      problems: [{ reason: '"x" is no hex digit', position: good.length }],
    });
    expect(await read(`${good.slice(0, 26)}07${good.slice(28)}`)).toMatchObject({
      packets: { length: 2 },
      problems: [{ reason: 'packet counter is 7, not 1', position: 26 }],
    });
    expect(await read(`00${'f'.repeat(50)}`)).toMatchObject({ packets: [], problems: [{ position: 4 }] });
    expect((await read('ff')).problems).toEqual([{ reason: 'a hex file starts with 00', position: 0 }]);
    expect((await read('')).problems).toEqual([{ reason: 'the file is empty', position: 0 }]);
    expect(await read('00')).toEqual({ packets: [], problems: [] });
  });
});

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
