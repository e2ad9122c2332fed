import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CDS_16_32_16,
  crc16,
  crc16Holds,
  decodeTimeCode,
  EPOCH_1958,
  EPOCH_2000,
  encodePacket,
  encodeTimeCode,
  type PacketContent,
  type PacketProblem,
  packetWriter,
  readPackets,
  readPacketsFrom,
  type SummaryOptions,
  summarise,
  type TimeCode,
  timeCodeLength,
} from './index.js';

const samples = join(import.meta.dirname, '../../../../shared/samples/packets');
const absent = !existsSync(samples);
const instant = (text: string, micros: bigint) => BigInt(Date.parse(text)) * 1_000_000n + micros * 1000n;

describe.skipIf(absent)(`real packet files${absent ? ' (no ../shared/samples)' : ''}`, () => {
  const of = (name: string, options?: SummaryOptions) => summarise(createReadStream(join(samples, name)), options);

  it('CYGNSS level 0: 101 packets of 7 APIDs with gaps', async () => {
    const summary = await of('CYGNSS_F7_L0_2022_086_10_15_V01_F__first101pkts.tlm');
    expect(summary.packets).toBe(101);
    expect(summary.apids.map(({ apid }) => apid)).toEqual([384, 386, 391, 392, 393, 394, 1313]);
    expect(summary.gapCount).toBe(9);
    expect(summary.gaps[0]).toEqual({
      apid: 392,
      type: 'TM',
      offset: 5328,
      expected: 1741,
      found: 1750,
      missing: 9,
      kind: 'forward',
    });
    expect(summary.problems).toEqual([]);
  });

  it('Europa Clipper: 1030 packets of 6 APIDs, no gap', async () => {
    const summary = await of('europa_clipper_ecm_raw2.bin');
    expect([summary.packets, summary.apids.map(({ apid }) => apid), summary.gapCount]).toEqual([
      1030,
      [1216, 1217, 1219, 1223, 1227, 1232],
      0,
    ]);
  });

  it('JPSS-1: 7200 packets with CDS time', async () => {
    const summary = await of('J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1', { time: CDS_16_32_16 });
    expect([summary.packets, summary.apids]).toEqual([7200, [{ apid: 11, type: 'TM', packets: 7200, bytes: 511_200 }]]);
    expect(summary.firstTime).toBe(instant('2021-04-09T00:00:00Z', 7137n));
    expect(summary.lastTime).toBe(instant('2021-04-09T01:59:59Z', 5260n));
  });

  it('CTIM: 300 packets of 9 APIDs, 3 gaps', async () => {
    const summary = await of('ctim_ccsds_2021_155_14_39_51_first300');
    expect([summary.packets, summary.apids.length, summary.gapCount, summary.missingPackets]).toEqual([300, 9, 3, 36]);
  });

  it('SSAT1: 1448 packets of APID 1', async () => {
    const summary = await of('SSAT1_2015-180-00-00-00_2015-180-01-59-58_1_1_sim.tlm');
    expect([summary.packets, summary.apids.map(({ apid }) => apid)]).toEqual([1448, [1]]);
  });

  it('SUDA: 13 packets behind a prefix of four bytes; without telling it, the first bytes are flagged', async () => {
    const prefix = Buffer.from('60f06060', 'hex');
    const summary = await of('suda_sciData_2022_130_17_41_53.spl', { prefix });
    expect([summary.packets, summary.apids.map(({ apid }) => apid), summary.problemCount]).toEqual([13, [1425], 0]);
    const untold = await of('suda_sciData_2022_130_17_41_53.spl');
    expect(untold.problems[0]).toMatchObject({ kind: 'version', offset: 0 });
  });

  it('packets of version 1 are flagged with their position, none is taken', async () => {
    const summary = await of('var_length_packets.bin');
    expect([summary.packets, summary.problemCount]).toEqual([0, 10]);
    expect(summary.problems.slice(0, 2)).toEqual([
      { kind: 'version', offset: 0, reason: 'packet version number is 1, not 0' },
      { kind: 'version', offset: 10, reason: 'packet version number is 1, not 0' },
    ]);
  });

  it('a file cut off at any byte keeps the whole packets and says where', async () => {
    const whole = readFileSync(join(samples, 'ctim_ccsds_2021_155_14_39_51_first300'));
    const starts = [...readPacketsFrom(whole)].map(({ offset }) => offset);
    for (let length = 1; length < 1600; length++) {
      const summary = await summarise([whole.subarray(0, length)]);
      const start = starts.findLast((offset) => offset <= length)!;
      expect(summary.truncatedAt).toBe(start === length ? undefined : start);
      expect(summary.packets).toBe(starts.filter((offset) => offset < start).length);
    }
  });
});

const content: fc.Arbitrary<PacketContent> = fc.record({
  type: fc.constantFrom('TM' as const, 'TC' as const),
  apid: fc.integer({ min: 0, max: 2047 }),
  sequenceCount: fc.integer({ min: 0, max: 16_383 }),
  data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  secondaryHeader: fc.boolean(),
  sequenceFlags: fc.constantFrom('continuation' as const, 'first' as const, 'last' as const, 'unsegmented' as const),
  crc: fc.boolean(),
});

describe('reader and writer', () => {
  it('give back any packets, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(content),
        fc.uint8Array({ maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (all, prefix, cut) => {
          const file = Buffer.concat(all.flatMap((one) => [prefix, encodePacket(one)]));
          const problems: PacketProblem[] = [];
          const read = [];
          for await (const packet of readPackets(pieces(file, cut), {
            prefix,
            onProblem: (found) => problems.push(found),
          })) {
            read.push(packet);
          }
          expect(problems).toEqual([]);
          expect(read.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(
            all.map((one) => Buffer.from(encodePacket(one)).toString('hex')),
          );
          expect(read.map(({ header }) => header)).toEqual(
            all.map(({ data, crc, ...header }) => ({ version: 0, ...header, dataLength: data.length + (crc ? 2 : 0) })),
          );
        },
      ),
    );
  });

  it('never throw nor run away on any bytes; every packet lies within the file, in order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
        let end = 0;
        for (const packet of readPacketsFrom(bytes)) {
          expect(packet.offset).toBeGreaterThanOrEqual(end);
          end = packet.offset + packet.bytes.length;
        }
        expect(end).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it('take the longest packet, and one-byte chunks of it in linear work', async () => {
    const longest = encodePacket({ type: 'TM', apid: 5, sequenceCount: 1, data: new Uint8Array(65_536).fill(7) });
    const read = [];
    for await (const packet of readPackets(pieces(longest, 1))) read.push(packet);
    expect(read.map(({ bytes }) => bytes.length)).toEqual([65_542]);
  });

  it('refuse what no packet can say', () => {
    const good: PacketContent = { type: 'TM', apid: 1, sequenceCount: 1, data: new Uint8Array(1) };
    expect(() => encodePacket({ ...good, apid: 2048 })).toThrow('apid must be 0 to 2047');
    expect(() => encodePacket({ ...good, sequenceCount: 16_384 })).toThrow('sequenceCount');
    expect(() => encodePacket({ ...good, data: new Uint8Array(0) })).toThrow('dataLength');
    expect(() => encodePacket({ ...good, data: new Uint8Array(65_537) })).toThrow('dataLength');
  });

  it('stop at a wrong prefix and name its place', async () => {
    const prefix = Uint8Array.of(1, 2);
    const writer = packetWriter({ prefix });
    const one = writer.packet({ type: 'TM', apid: 3, data: Uint8Array.of(9) });
    const summary = await summarise([one, one, Uint8Array.of(1, 3, 0, 0, 0, 0, 0, 0, 0)], { prefix });
    expect([summary.packets, summary.problems[0]]).toEqual([
      2,
      { kind: 'prefix', offset: 18, reason: 'the 2 bytes before a packet are not 0102' },
    ]);
  });

  it('cut long data into first, continuation and last segments with running counts', () => {
    const writer = packetWriter();
    const packets = [...writer.segments({ type: 'TM', apid: 9, data: Uint8Array.of(1, 2, 3, 4, 5) }, 2)];
    const read = [...readPacketsFrom(Buffer.concat(packets))];
    expect(read.map(({ header }) => [header.sequenceFlags, header.sequenceCount, header.dataLength])).toEqual([
      ['first', 0, 2],
      ['continuation', 1, 2],
      ['last', 2, 1],
    ]);
  });
});

describe('sequence counts', () => {
  const counts = (...values: number[]) =>
    Buffer.concat(
      values.map((sequenceCount) => encodePacket({ type: 'TM', apid: 7, sequenceCount, data: Uint8Array.of(0) })),
    );

  it('wrap at 16384 without a gap', async () => {
    expect((await summarise([counts(16_382, 16_383, 0, 1)])).gapCount).toBe(0);
  });

  it('tell lost, repeated and late packets apart, also across the wrap', async () => {
    const { gaps, missingPackets } = await summarise([counts(16_380, 16_383, 3, 3, 1)]);
    expect(gaps.map(({ kind, expected, found, missing }) => [kind, expected, found, missing])).toEqual([
      ['forward', 16_381, 16_383, 2],
      ['forward', 0, 3, 3],
      ['repeat', 4, 3, 0],
      ['back', 4, 1, 0],
    ]);
    expect(missingPackets).toBe(5);
  });

  it('are kept apart by packet type and APID; idle packets are not counted', async () => {
    const packets = [
      ['TM', 1, 5],
      ['TC', 1, 90],
      ['TM', 2, 7],
      ['TM', 2047, 9],
      ['TM', 1, 6],
      ['TC', 1, 91],
      ['TM', 2047, 3],
    ] as const;
    const file = Buffer.concat(
      packets.map(([type, apid, sequenceCount]) => encodePacket({ type, apid, sequenceCount, data: Uint8Array.of(0) })),
    );
    const summary = await summarise([file]);
    expect(summary.gapCount).toBe(0);
    expect(summary.apids.map(({ type, apid }) => `${type} ${apid}`)).toEqual(['TM 1', 'TM 2', 'TM 2047', 'TC 1']);
  });

  it('list no more than asked for but count all', async () => {
    const summary = await summarise([counts(0, 2, 4, 6, 8)], { listed: 2 });
    expect([summary.gaps.length, summary.gapCount]).toEqual([2, 4]);
  });
});

describe('checksums', () => {
  it('give the known check value of 123456789', () => {
    expect(crc16(Buffer.from('123456789'))).toBe(0x29b1);
  });

  it('hold for what was written and for no single changed byte', async () => {
    const packet = encodePacket({ type: 'TC', apid: 1, sequenceCount: 0, data: Uint8Array.of(1, 2, 3), crc: true });
    expect(crc16Holds(packet)).toBe(true);
    const bad = Uint8Array.from(packet, (byte, index) => (index === 7 ? byte ^ 1 : byte));
    const summary = await summarise([packet, bad], { crc: true });
    expect(summary.problems).toEqual([
      { kind: 'crc', offset: 11, reason: 'the checksum at the end of the packet does not hold' },
    ]);
  });
});

describe('time codes', () => {
  const codes: TimeCode[] = [
    CDS_16_32_16,
    { code: 'cds', dayBytes: 3, subMillisecondBytes: 0, epoch: EPOCH_2000 },
    { code: 'cds', dayBytes: 2, subMillisecondBytes: 4, epoch: EPOCH_1958 },
    { code: 'cuc', coarseBytes: 4, fineBytes: 2, epoch: EPOCH_2000 },
    { code: 'cuc', coarseBytes: 4, fineBytes: 4, epoch: EPOCH_1958 },
    { code: 'cuc', coarseBytes: 5, fineBytes: 0, epoch: 0n },
  ];
  const resolution = [1000n, 1_000_000n, 1n, 15_260n, 1n, 1_000_000_000n];

  it.each(codes.map((code, index) => [code, resolution[index]!] as const))(
    'come back within their resolution: %o',
    (code, step) => {
      fc.assert(
        fc.property(fc.bigInt({ min: EPOCH_2000, max: EPOCH_2000 + 10n ** 18n }), (time) => {
          const bytes = encodeTimeCode(code, time);
          expect(bytes.length).toBe(timeCodeLength(code));
          const difference = time - decodeTimeCode(code, bytes, 0)!;
          expect(difference >= 0n && difference < step, `${difference}`).toBe(true);
        }),
      );
    },
  );

  it('are unknown when cut off or when the day has no such millisecond', async () => {
    expect(decodeTimeCode(CDS_16_32_16, new Uint8Array(7), 0)).toBeNull();
    const data = Uint8Array.of(0, 0, 255, 255, 255, 255, 0, 0);
    const packet = encodePacket({ type: 'TM', apid: 1, sequenceCount: 0, data, secondaryHeader: true });
    const summary = await summarise([packet], { time: CDS_16_32_16 });
    expect(summary.problems.map(({ kind, offset }) => [kind, offset])).toEqual([['time', 0]]);
    expect(summary.firstTime).toBeNull();
  });

  it('refuse times outside their span', () => {
    expect(() => encodeTimeCode(CDS_16_32_16, EPOCH_1958 - 1n)).toThrow('before the epoch');
    expect(() => encodeTimeCode(CDS_16_32_16, EPOCH_1958 + 70_000n * 86_400_000_000_000n)).toThrow('beyond the span');
  });
});

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
