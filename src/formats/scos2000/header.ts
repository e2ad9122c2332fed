/**
 * The header that SCOS-2000 puts in front of every record it files: 60 bytes common to all, then 16 for telemetry or 44
 * for commands; big-endian. Times are nanoseconds since 1970 UTC, microseconds on the wire.
 */

export const COMMON_LENGTH = 60;
export const TM_HEADER_LENGTH = 76;
export const TC_HEADER_LENGTH = 104;

export type RecordType = 'TM' | 'TC' | 'event';

export interface ScosCommon {
  /** 0 inserted, 1 updated. */
  readonly access: number;
  /** Low two bits of byte 3. */
  readonly simulated: number;
  /** TM: packet time; TC: release time. */
  readonly filingTime: bigint;
  /** TM: reception at the control system (hours later for dumped data); TC: execution time. */
  readonly creationTime: bigint;
  readonly createId: number;
  readonly spacecraftId: number;
  readonly groundStation: number;
  /** Bytes of the whole record, header included. */
  readonly size: number;
  readonly version: number;
  readonly filing: boolean;
  readonly distribution: boolean;
  /** 0 creation, 1 ERT less delay, 2 spacecraft elapsed time. */
  readonly timePolicy: number;
  /** 0 good, 1 inaccurate, 2 bad. */
  readonly quality: number;
  /** 1 command; 1000 + virtual channel on line; from 2000 off line; 65535 internal. */
  readonly stream: number;
  readonly sequence: number;
  readonly spid: number;
  readonly retrievalKeys: readonly [number, number];
  readonly missionId: number;
  readonly context: number;
  readonly domain: number;
  readonly databaseRelease: number;
  readonly databaseIssue: number;
}

interface PacketFields {
  readonly apid: number;
  readonly ssc: number;
  readonly service: number;
  readonly subservice: number;
}

export interface ScosTmHeader extends ScosCommon, PacketFields {
  readonly type: 'TM';
  /** The word at 60: `003000VV`, VV the virtual channel. */
  readonly channelWord: number;
  readonly virtualChannel: number;
  readonly tpsd: number;
  readonly route: number;
  /** 0 frame, 1 source packet, 2 internal. */
  readonly unit: number;
  readonly qualifier: number;
}

export interface ScosTcHeader extends ScosCommon, PacketFields {
  readonly type: 'TC';
  /** 0 when not set. */
  readonly uplinkTime: bigint;
  readonly executionTime: bigint;
  readonly lastUpdateTime: bigint;
  readonly requestId: number;
  readonly elementIndex: number;
  /** Bytes behind the header: verification stages and parameter data. */
  readonly variableSize: number;
  readonly ackFlags: number;
  readonly uplinkFlag: number;
  readonly sourceHost: number;
  readonly sourceType: number;
  readonly fixedDetailSize: number;
}

export type ScosHeader = ScosTmHeader | ScosTcHeader;

/** A record that is no SCOS-2000 telemetry or command record. */
export class ScosError extends Error {
  override readonly name = 'ScosError';
}

/** Length of the header by the type the record itself names; ScosError for events and unknown types (undocumented). */
export function headerLength(bytes: Uint8Array): number {
  if (bytes.length < COMMON_LENGTH) throw new ScosError(`${bytes.length} bytes are no SCOS-2000 record`);
  const type = bytes[32]! >> 4;
  if (type === 1) return TM_HEADER_LENGTH;
  if (type === 2) return TC_HEADER_LENGTH;
  throw new ScosError(`record type ${type} is neither telemetry (1) nor a command (2)`);
}

/** Decodes the header at the start of `bytes`. */
export function decodeHeader(bytes: Uint8Array): ScosHeader {
  const length = headerLength(bytes);
  if (bytes.length < length)
    throw new ScosError(`the record ends ${bytes.length} bytes into its ${length}-byte header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const common: ScosCommon = {
    access: view.getUint8(2),
    simulated: view.getUint8(3) & 3,
    filingTime: time(view, 4),
    creationTime: time(view, 12),
    createId: view.getUint32(20),
    spacecraftId: view.getUint16(24),
    groundStation: view.getUint16(26),
    size: view.getUint32(28),
    version: view.getUint8(32) & 15,
    filing: (view.getUint8(33) & 0x20) !== 0,
    distribution: (view.getUint8(33) & 0x10) !== 0,
    timePolicy: (view.getUint8(33) >> 2) & 3,
    quality: view.getUint8(33) & 3,
    stream: view.getUint16(34),
    sequence: view.getUint32(36),
    spid: view.getUint32(40),
    retrievalKeys: [view.getUint16(44), view.getUint16(46)],
    missionId: view.getUint16(48),
    context: view.getUint16(50),
    domain: view.getUint16(52),
    databaseRelease: view.getUint16(54),
    databaseIssue: view.getUint16(56),
  };
  if (length === TM_HEADER_LENGTH) {
    return {
      type: 'TM',
      ...common,
      channelWord: view.getUint32(60),
      virtualChannel: view.getUint8(63),
      tpsd: view.getUint32(64),
      route: view.getUint8(68),
      unit: view.getUint8(69) >> 4,
      qualifier: view.getUint8(69) & 15,
      ...packetFields(view, 70),
    };
  }
  return {
    type: 'TC',
    ...common,
    uplinkTime: time(view, 60),
    executionTime: time(view, 68),
    lastUpdateTime: time(view, 76),
    requestId: view.getUint32(84),
    elementIndex: view.getUint16(88),
    variableSize: view.getUint16(90),
    ...packetFields(view, 92),
    ackFlags: view.getUint8(98),
    uplinkFlag: view.getUint8(99),
    sourceHost: view.getUint8(100),
    sourceType: view.getUint8(101),
    fixedDetailSize: view.getUint16(102),
  };
}

/** The header as bytes: 76 or 104 of them. Spare bits are zero. */
export function encodeHeader(header: ScosHeader): Uint8Array {
  const bytes = new Uint8Array(header.type === 'TM' ? TM_HEADER_LENGTH : TC_HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint8(2, header.access);
  view.setUint8(3, header.simulated & 3);
  putTime(view, 4, header.filingTime);
  putTime(view, 12, header.creationTime);
  view.setUint32(20, header.createId);
  view.setUint16(24, header.spacecraftId);
  view.setUint16(26, header.groundStation);
  view.setUint32(28, header.size);
  view.setUint8(32, ((header.type === 'TM' ? 1 : 2) << 4) | header.version);
  const flags = (header.filing ? 0x20 : 0) | (header.distribution ? 0x10 : 0) | (header.timePolicy << 2);
  view.setUint8(33, flags | header.quality);
  view.setUint16(34, header.stream);
  view.setUint32(36, header.sequence);
  view.setUint32(40, header.spid);
  view.setUint16(44, header.retrievalKeys[0]);
  view.setUint16(46, header.retrievalKeys[1]);
  view.setUint16(48, header.missionId);
  view.setUint16(50, header.context);
  view.setUint16(52, header.domain);
  view.setUint16(54, header.databaseRelease);
  view.setUint16(56, header.databaseIssue);
  if (header.type === 'TM') {
    view.setUint32(60, header.channelWord);
    view.setUint8(63, header.virtualChannel);
    view.setUint32(64, header.tpsd);
    view.setUint8(68, header.route);
    view.setUint8(69, (header.unit << 4) | header.qualifier);
    putPacketFields(view, 70, header);
    return bytes;
  }
  putTime(view, 60, header.uplinkTime);
  putTime(view, 68, header.executionTime);
  putTime(view, 76, header.lastUpdateTime);
  view.setUint32(84, header.requestId);
  view.setUint16(88, header.elementIndex);
  view.setUint16(90, header.variableSize);
  putPacketFields(view, 92, header);
  view.setUint8(98, header.ackFlags);
  view.setUint8(99, header.uplinkFlag);
  view.setUint8(100, header.sourceHost);
  view.setUint8(101, header.sourceType);
  view.setUint16(102, header.fixedDetailSize);
  return bytes;
}

function packetFields(view: DataView, at: number): PacketFields {
  return {
    apid: view.getUint16(at),
    ssc: view.getUint16(at + 2),
    service: view.getUint8(at + 4),
    subservice: view.getUint8(at + 5),
  };
}

function putPacketFields(view: DataView, at: number, fields: PacketFields): void {
  view.setUint16(at, fields.apid);
  view.setUint16(at + 2, fields.ssc);
  view.setUint8(at + 4, fields.service);
  view.setUint8(at + 5, fields.subservice);
}

function time(view: DataView, at: number): bigint {
  return BigInt(view.getUint32(at)) * 1_000_000_000n + BigInt(view.getUint32(at + 4)) * 1000n;
}

function putTime(view: DataView, at: number, value: bigint): void {
  view.setUint32(at, Number(value / 1_000_000_000n));
  view.setUint32(at + 4, Number((value % 1_000_000_000n) / 1000n));
}
