/** CCSDS 133.0-B space packet: the six bytes in front of every packet (clause 4.1.3). */

export const PRIMARY_HEADER_LENGTH = 6;
/** Longest packet the length field can express: 6 + 65536 bytes. */
export const MAX_PACKET_LENGTH = 65_542;
export const SEQUENCE_MODULUS = 16_384;
export const IDLE_APID = 2047;

export type PacketType = 'TM' | 'TC';
export type SequenceFlags = 'continuation' | 'first' | 'last' | 'unsegmented';

const FLAGS: readonly SequenceFlags[] = ['continuation', 'first', 'last', 'unsegmented'];

export interface PrimaryHeader {
  /** Packet version number, 0 for every space packet of this standard. */
  readonly version: number;
  readonly type: PacketType;
  readonly secondaryHeader: boolean;
  readonly apid: number;
  readonly sequenceFlags: SequenceFlags;
  /** Sequence count (TM) or packet name (some TC), modulo 16384. */
  readonly sequenceCount: number;
  /** Bytes behind the primary header, 1 … 65536 (the field on the wire holds one less). */
  readonly dataLength: number;
}

/** Reads the header at `offset`; the caller sees to it that six bytes are there. */
export function decodePrimaryHeader(bytes: Uint8Array, offset = 0): PrimaryHeader {
  const word1 = (bytes[offset]! << 8) | bytes[offset + 1]!;
  const word2 = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
  return {
    version: word1 >> 13,
    type: word1 & 0x1000 ? 'TC' : 'TM',
    secondaryHeader: (word1 & 0x0800) !== 0,
    apid: word1 & 0x07ff,
    sequenceFlags: FLAGS[word2 >> 14]!,
    sequenceCount: word2 & 0x3fff,
    dataLength: ((bytes[offset + 4]! << 8) | bytes[offset + 5]!) + 1,
  };
}

/** Writes the header into `target`; RangeError names the field that does not fit. */
export function encodePrimaryHeader(header: PrimaryHeader, target: Uint8Array, offset = 0): void {
  within('version', header.version, 0, 7);
  within('apid', header.apid, 0, 2047);
  within('sequenceCount', header.sequenceCount, 0, SEQUENCE_MODULUS - 1);
  within('dataLength', header.dataLength, 1, 65_536);
  const word1 =
    (header.version << 13) | (header.type === 'TC' ? 0x1000 : 0) | (header.secondaryHeader ? 0x0800 : 0) | header.apid;
  const word2 = (FLAGS.indexOf(header.sequenceFlags) << 14) | header.sequenceCount;
  const length = header.dataLength - 1;
  target.set([word1 >> 8, word1 & 255, word2 >> 8, word2 & 255, length >> 8, length & 255], offset);
}

function within(field: string, value: number, minimum: number, maximum: number): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`space packet ${field} must be ${minimum} to ${maximum}, not ${value}`);
  }
}
