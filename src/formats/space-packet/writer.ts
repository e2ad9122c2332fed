import { crc16 } from './crc16.js';
import {
  encodePrimaryHeader,
  type PacketType,
  PRIMARY_HEADER_LENGTH,
  SEQUENCE_MODULUS,
  type SequenceFlags,
} from './header.js';

export interface PacketContent {
  readonly type: PacketType;
  readonly apid: number;
  readonly sequenceCount: number;
  /** Everything behind the primary header, without the checksum that `crc` adds; not empty unless `crc`. */
  readonly data: Uint8Array;
  readonly secondaryHeader?: boolean;
  readonly sequenceFlags?: SequenceFlags;
  /** Append the CRC-16 of header and data. */
  readonly crc?: boolean;
}

/** One packet as bytes; RangeError when a field does not fit. */
export function encodePacket(content: PacketContent): Uint8Array {
  const checksum = content.crc === true ? 2 : 0;
  const bytes = new Uint8Array(PRIMARY_HEADER_LENGTH + content.data.length + checksum);
  encodePrimaryHeader(
    {
      version: 0,
      type: content.type,
      secondaryHeader: content.secondaryHeader ?? false,
      apid: content.apid,
      sequenceFlags: content.sequenceFlags ?? 'unsegmented',
      sequenceCount: content.sequenceCount,
      dataLength: content.data.length + checksum,
    },
    bytes,
  );
  bytes.set(content.data, PRIMARY_HEADER_LENGTH);
  if (checksum > 0) {
    const crc = crc16(bytes, 0, bytes.length - 2);
    bytes[bytes.length - 2] = crc >> 8;
    bytes[bytes.length - 1] = crc & 255;
  }
  return bytes;
}

/** Makes packets with sequence counts that run per packet type and APID, and cuts long data into segments. */
export function packetWriter(options: { readonly prefix?: Uint8Array; readonly crc?: boolean } = {}) {
  const counts = new Map<string, number>();
  const prefix = options.prefix ?? new Uint8Array(0);

  function next(content: Omit<PacketContent, 'sequenceCount' | 'crc'>): Uint8Array {
    const key = `${content.type}${content.apid}`;
    const sequenceCount = counts.get(key) ?? 0;
    const packet = encodePacket({ ...content, sequenceCount, crc: options.crc ?? false });
    counts.set(key, (sequenceCount + 1) % SEQUENCE_MODULUS);
    return prefix.length === 0 ? packet : Buffer.concat([prefix, packet]);
  }

  return {
    /** The next packet of its APID, behind the prefix. */
    packet: next,
    /** `content.data` as as many packets as `segmentLength` bytes of data each make necessary. */
    *segments(
      content: Omit<PacketContent, 'sequenceCount' | 'crc' | 'sequenceFlags'>,
      segmentLength: number,
    ): Generator<Uint8Array> {
      const { data } = content;
      if (data.length <= segmentLength) {
        yield next(content);
        return;
      }
      for (let at = 0; at < data.length; at += segmentLength) {
        const sequenceFlags = at === 0 ? 'first' : at + segmentLength >= data.length ? 'last' : 'continuation';
        yield next({ ...content, sequenceFlags, data: data.subarray(at, at + segmentLength) });
      }
    },
  };
}
