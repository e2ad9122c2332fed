import { crc16Holds } from './crc16.js';
import { type PacketType, PRIMARY_HEADER_LENGTH } from './header.js';
import { type PacketProblem, packetSplitter, type SpacePacket } from './reader.js';
import { type SequenceGap, sequenceTracker } from './sequence.js';
import { decodeTimeCode, type TimeCode } from './time-code.js';

export interface SummaryOptions {
  readonly prefix?: Uint8Array;
  /** How packets with a secondary header tell their time; absent: no times. */
  readonly time?: TimeCode;
  /** Packets end with a CRC-16 to be checked. */
  readonly crc?: boolean;
  /** Gaps and problems listed at most (all are counted); default 100. */
  readonly listed?: number;
}

export interface ApidSummary {
  readonly apid: number;
  readonly type: PacketType;
  readonly packets: number;
  readonly bytes: number;
}

export interface PacketFileSummary {
  /** Bytes read, prefixes and rests included. */
  readonly bytes: number;
  readonly packets: number;
  /** By APID, TM before TC. */
  readonly apids: readonly ApidSummary[];
  /** Earliest and latest packet time, nanoseconds since 1970; null when none is known. */
  readonly firstTime: bigint | null;
  readonly lastTime: bigint | null;
  readonly gaps: readonly SequenceGap[];
  readonly gapCount: number;
  /** Packets that the forward gaps leave out. */
  readonly missingPackets: number;
  readonly segmented: boolean;
  /** Position of a packet that the file cuts off. */
  readonly truncatedAt?: number;
  readonly problems: readonly (PacketProblem | CrcProblem | TimeProblem)[];
  readonly problemCount: number;
}

interface CrcProblem {
  readonly kind: 'crc';
  readonly offset: number;
  readonly reason: string;
}

interface TimeProblem {
  readonly kind: 'time';
  readonly offset: number;
  readonly reason: string;
}

/** Collects a summary chunk by chunk, so that a file can be summed up while it is copied. Memory does not grow with it. */
export function packetSummary(options: SummaryOptions = {}) {
  const listed = options.listed ?? 100;
  const apids = new Map<number, { apid: number; type: PacketType; packets: number; bytes: number }>();
  const track = sequenceTracker();
  const gaps: SequenceGap[] = [];
  const problems: PacketFileSummary['problems'][number][] = [];
  let bytes = 0;
  let packets = 0;
  let gapCount = 0;
  let missingPackets = 0;
  let problemCount = 0;
  let segmented = false;
  let truncatedAt: number | undefined;
  let firstTime: bigint | null = null;
  let lastTime: bigint | null = null;

  const problem = (found: PacketFileSummary['problems'][number]): void => {
    problemCount++;
    if (problems.length < listed) problems.push(found);
    if (found.kind === 'truncated') truncatedAt = found.offset;
  };
  const splitter = packetSplitter({ ...(options.prefix && { prefix: options.prefix }), onProblem: problem });

  const take = (packet: SpacePacket): void => {
    const { header, offset } = packet;
    packets++;
    const key = header.apid | (header.type === 'TC' ? 0x1000 : 0);
    const entry = apids.get(key) ?? { apid: header.apid, type: header.type, packets: 0, bytes: 0 };
    entry.packets++;
    entry.bytes += packet.bytes.length;
    apids.set(key, entry);
    if (header.sequenceFlags !== 'unsegmented') segmented = true;
    const gap = track(header, offset);
    if (gap !== null) {
      gapCount++;
      missingPackets += gap.missing;
      if (gaps.length < listed) gaps.push(gap);
    }
    if (options.crc === true && !crc16Holds(packet.bytes)) {
      problem({ kind: 'crc', offset, reason: 'the checksum at the end of the packet does not hold' });
    }
    // A continuation or last segment carries no secondary header of its own.
    const timed =
      header.secondaryHeader && (header.sequenceFlags === 'unsegmented' || header.sequenceFlags === 'first');
    if (options.time !== undefined && timed) {
      const time = decodeTimeCode(options.time, packet.bytes, PRIMARY_HEADER_LENGTH + (options.time.offset ?? 0));
      if (time === null)
        problem({ kind: 'time', offset, reason: 'the packet holds no valid time where one is expected' });
      else {
        if (firstTime === null || time < firstTime) firstTime = time;
        if (lastTime === null || time > lastTime) lastTime = time;
      }
    }
  };

  return {
    push(chunk: Uint8Array): void {
      bytes += chunk.length;
      for (const packet of splitter.push(chunk)) take(packet);
    },
    end(): PacketFileSummary {
      splitter.end();
      return {
        bytes,
        packets,
        apids: [...apids.entries()].sort(([a], [b]) => a - b).map(([, entry]) => entry),
        firstTime,
        lastTime,
        gaps,
        gapCount,
        missingPackets,
        segmented,
        ...(truncatedAt !== undefined && { truncatedAt }),
        problems,
        problemCount,
      };
    },
  };
}

/** Summary of a whole file as it streams in. */
export async function summarise(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: SummaryOptions = {},
): Promise<PacketFileSummary> {
  const summary = packetSummary(options);
  for await (const chunk of source) summary.push(chunk);
  return summary.end();
}
