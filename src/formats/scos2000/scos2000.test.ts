import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ResponseElement, readResponse } from '../edds-response/index.js';
import { decodePrimaryHeader, encodePacket } from '../space-packet/index.js';
import { decodeHeader, decodeRecord, encodeHeader, ScosError, type ScosHeader, type ScosTcHeader } from './index.js';

const sample = join(import.meta.dirname, '../../../../shared/samples/edds/solo_stix_PktTmRaw_10pkt.xml');
const absent = !existsSync(sample);

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const time = fc.bigInt({ min: 0n, max: 0xffff_fffen * 1_000_000n }).map((micros) => micros * 1000n);
const common = {
  access: u8,
  simulated: fc.integer({ min: 0, max: 3 }),
  filingTime: time,
  creationTime: time,
  createId: u32,
  spacecraftId: u16,
  groundStation: u16,
  size: u32,
  version: fc.integer({ min: 0, max: 15 }),
  filing: fc.boolean(),
  distribution: fc.boolean(),
  timePolicy: fc.integer({ min: 0, max: 3 }),
  quality: fc.integer({ min: 0, max: 3 }),
  stream: u16,
  sequence: u32,
  spid: u32,
  retrievalKeys: fc.tuple(u16, u16),
  missionId: u16,
  context: u16,
  domain: u16,
  databaseRelease: u16,
  databaseIssue: u16,
  apid: u16,
  ssc: u16,
  service: u8,
  subservice: u8,
};
const header: fc.Arbitrary<ScosHeader> = fc.oneof(
  fc
    .record({
      type: fc.constant('TM' as const),
      ...common,
      channelWord: u32.map((word) => word - (word % 256)),
      virtualChannel: u8,
      tpsd: u32,
      route: u8,
      unit: fc.integer({ min: 0, max: 15 }),
      qualifier: fc.integer({ min: 0, max: 15 }),
    })
    .map((tm) => ({ ...tm, channelWord: tm.channelWord + tm.virtualChannel })),
  fc.record({
    type: fc.constant('TC' as const),
    ...common,
    uplinkTime: time,
    executionTime: time,
    lastUpdateTime: time,
    requestId: u32,
    elementIndex: u16,
    variableSize: u16,
    ackFlags: u8,
    uplinkFlag: u8,
    sourceHost: u8,
    sourceType: u8,
    fixedDetailSize: u16,
  }),
);

describe('SCOS-2000 headers', () => {
  it('come back from their bytes, 76 for telemetry and 104 for commands', () => {
    fc.assert(
      fc.property(header, (value) => {
        const bytes = encodeHeader(value);
        expect(bytes.length).toBe(value.type === 'TM' ? 76 : 104);
        expect(decodeHeader(bytes)).toEqual(value);
      }),
    );
  });

  it('give an error and nothing else for any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeRecord(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ScosError);
        }
      }),
    );
    expect(() => decodeHeader(new Uint8Array(59))).toThrow('59 bytes');
    const event = new Uint8Array(104);
    event[32] = 0x38;
    expect(() => decodeHeader(event)).toThrow('record type 3');
    event[32] = 0x28;
    expect(() => decodeHeader(event.subarray(0, 80))).toThrow('80 bytes into its 104-byte header');
  });
});

describe.skipIf(absent)(`real telemetry records${absent ? ' (no ../shared/samples)' : ''}`, () => {
  it('decode to the fields that the packet inside repeats, and encode to the same bytes', async () => {
    const elements: ResponseElement[] = [];
    for await (const element of readResponse([readFileSync(sample)])) elements.push(element);
    expect(elements).toHaveLength(10);
    const first = elements[0]!;
    const raw = (element: ResponseElement) => (element.kind === 'raw' ? element.bytes : new Uint8Array());
    expect(decodeRecord(raw(first)).header).toEqual({
      type: 'TM',
      access: 0,
      simulated: 0,
      filingTime: BigInt(Date.UTC(2020, 11, 1, 0, 0, 45)) * 1_000_000n + 624_224_000n,
      creationTime: BigInt(Date.UTC(2020, 11, 1, 12, 11, 43)) * 1_000_000n + 738_585_000n,
      createId: 1,
      spacecraftId: 650,
      groundStation: 25,
      size: 185,
      version: 8,
      filing: true,
      distribution: true,
      timePolicy: 2,
      quality: 0,
      stream: 1001,
      sequence: 14_981,
      spid: 54_102,
      retrievalKeys: [0, 0],
      missionId: 650,
      context: 0,
      domain: 0,
      databaseRelease: 32_520,
      databaseIssue: 711,
      channelWord: 0x00300001,
      virtualChannel: 1,
      tpsd: 0xffffffff,
      route: 255,
      unit: 1,
      qualifier: 0,
      apid: 1444,
      ssc: 1338,
      service: 3,
      subservice: 25,
    });
    for (const element of elements) {
      const { header, content, problems } = decodeRecord(raw(element));
      expect(problems).toEqual([]);
      expect(decodePrimaryHeader(content)).toMatchObject({
        apid: header.apid,
        sequenceCount: header.ssc,
        dataLength: 103,
      });
      expect([content[7], content[8]]).toEqual([header.service, header.subservice]);
      expect(Buffer.from(encodeHeader(header)).equals(raw(element).subarray(0, 76))).toBe(true);
    }
  });
});

describe('records', () => {
  const tc: ScosTcHeader = fc.sample(header, 200).find((value): value is ScosTcHeader => value.type === 'TC')!;

  it('say where they contradict themselves and stay usable', () => {
    const bytes = Buffer.concat([encodeHeader({ ...tc, size: 0, variableSize: 9 }), Buffer.alloc(4)]);
    expect(decodeRecord(bytes)).toMatchObject({
      content: Buffer.alloc(4),
      problems: ['the header says 0 bytes, the record has 108', 'the header says 9 bytes follow, there are 4'],
    });
    const packet = encodePacket({ type: 'TM', apid: 5, sequenceCount: 6, data: Uint8Array.of(1, 2) });
    const tm = fc.sample(header, 200).find((value) => value.type === 'TM')!;
    const record = Buffer.concat([encodeHeader({ ...tm, size: 84, apid: 5, ssc: 7 }), packet]);
    expect(decodeRecord(record).problems).toEqual(['the header says APID 5 count 7, the packet APID 5 count 6']);
  });
});
