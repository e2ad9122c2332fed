import { encodeHeader, TM_HEADER_LENGTH } from '../../../src/formats/scos2000/index.js';
import { EPOCH_2000, encodePacket, encodeTimeCode, type TimeCode } from '../../../src/formats/space-packet/index.js';
import { CYCLE, ordinalOfKind, PACKET_KINDS, type PacketKind } from './kinds.js';
import { fillRandom, hash32 } from './random.js';

export interface TelemetryOptions {
  readonly seed: number;
  readonly spacecraftId: number;
  /** Filing time of packet 0, microseconds since 1970. */
  readonly begin: number;
  /** Microseconds from packet to packet. */
  readonly interval: number;
  /** All packets this long instead of the length of their kind. */
  readonly packetBytes?: number;
  /** End packets with their CRC-16. */
  readonly crc: boolean;
}

/** On-board clock of the packets: 4 + 2 bytes from 2000, not synchronised with UTC. */
const ON_BOARD: TimeCode = { code: 'cuc', coarseBytes: 4, fineBytes: 2, epoch: EPOCH_2000 };

/** An endless, strictly ascending series of telemetry packets, each computed from its index alone. */
export function telemetry(options: TelemetryOptions) {
  const { seed, begin, interval } = options;
  const half = Math.max(1, Math.floor(interval / 2));

  const filing = (index: number): number => begin + index * interval + (hash32(seed, index) % half);
  const kindOf = (index: number): PacketKind => PACKET_KINDS[CYCLE[index % CYCLE.length]!]!;
  const creation = (index: number): number => filing(index) + kindOf(index).delay;

  /** First index whose filing time is not before `time` (microseconds). */
  const firstFrom = (time: number): number => {
    const guess = Math.max(0, Math.floor((time - begin) / interval));
    return filing(guess) >= time ? guess : guess + 1;
  };

  const record = (index: number): Uint8Array => {
    const kind = kindOf(index);
    const length = options.packetBytes ?? kind.length;
    const data = new Uint8Array(length - 6 - (options.crc ? 2 : 0));
    data.set([0x10, kind.service, kind.subservice, 0]);
    data.set(encodeTimeCode(ON_BOARD, BigInt(filing(index)) * 1000n + 42_000_000_000n), 4);
    fillRandom(data, 10, seed, index);
    const ssc = ordinalOfKind(index) % 16_384;
    const packet = encodePacket({
      type: 'TM',
      apid: kind.apid,
      sequenceCount: ssc,
      data,
      secondaryHeader: true,
      crc: options.crc,
    });
    const header = encodeHeader({
      type: 'TM',
      access: 0,
      simulated: 0,
      filingTime: BigInt(filing(index)) * 1000n,
      creationTime: BigInt(creation(index)) * 1000n,
      createId: 1,
      spacecraftId: options.spacecraftId,
      groundStation: 24,
      size: TM_HEADER_LENGTH + packet.length,
      version: 8,
      filing: true,
      distribution: true,
      timePolicy: 2,
      quality: 0,
      stream: 1000 + kind.virtualChannel,
      sequence: (14_981 + index) % 0x1_0000_0000,
      spid: kind.spid,
      retrievalKeys: [0, 0],
      missionId: options.spacecraftId,
      context: 0,
      domain: 0,
      databaseRelease: 32_520,
      databaseIssue: 711,
      channelWord: 0x00300000 + kind.virtualChannel,
      virtualChannel: kind.virtualChannel,
      tpsd: 0xffffffff,
      route: 0xff,
      unit: 1,
      qualifier: 0,
      apid: kind.apid,
      ssc,
      service: kind.service,
      subservice: kind.subservice,
    });
    return Buffer.concat([header, packet]);
  };

  return { filing, creation, kindOf, firstFrom, record };
}

export type Telemetry = ReturnType<typeof telemetry>;
