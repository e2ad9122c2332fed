import type { InteractionType, NamedValue } from '../../area.js';
import { malArea, NamedValue as NamedValueType } from '../../area.js';
import { FixedReader } from '../../encoding/binary-fixed/reader.js';
import { FixedWriter } from '../../encoding/binary-fixed/writer.js';
import { asBuffer } from '../../encoding/bytes.js';
import { createGrammar } from '../../encoding/grammar.js';
import { badEncoding } from '../../errors.js';
import type { MessageHeader } from '../../message.js';
import { createRegistry } from '../../schema/index.js';

/**
 * Layout of maltcp messages as ESA's 12.2 has it: total length first, fixed header of 23 bytes, supplements, then what the flags
 * announce; big endian, whatever the encoding of the body. Another dialect is another file like this one.
 */

/** Bytes of the length at the start, which counts itself. */
export const LENGTH_BYTES = 4;
/** Fewest bytes of a message. */
export const SMALLEST_MESSAGE = 27;
/** Longer lengths do not exist in this dialect. */
export const LARGEST_MESSAGE = 2 ** 28 - 1;

export const VERSION = 1;
const SOURCE = 0x80;
const DESTINATION = 0x40;
const PRIORITY = 0x20;
const TIMESTAMP = 0x10;
const NETWORK_ZONE = 0x08;
const SESSION_NAME = 0x04;
const DOMAIN = 0x02;
const AUTHENTICATION_ID = 0x01;
const ERROR = 0x80;
/** QoS and session: ESA's stack always writes 1 and 1, and reads neither. */
const QOS_AND_SESSION = 0x11;

/** Type and stage of each service data unit type; the place in the list is its number. */
const SDU: readonly (readonly [InteractionType, number])[] = [
  ['SEND', 1],
  ['SUBMIT', 1],
  ['SUBMIT', 2],
  ['REQUEST', 1],
  ['REQUEST', 2],
  ['INVOKE', 1],
  ['INVOKE', 2],
  ['INVOKE', 3],
  ['PROGRESS', 1],
  ['PROGRESS', 2],
  ['PROGRESS', 3],
  ['PROGRESS', 4],
  ['PUBSUB', 1],
  ['PUBSUB', 2],
  ['PUBSUB', 3],
  ['PUBSUB', 4],
  ['PUBSUB', 5],
  ['PUBSUB', 6],
  ['PUBSUB', 7],
  ['PUBSUB', 8],
  ['PUBSUB', 9],
  ['PUBSUB', 10],
];
/** By type, then by stage. */
const SDU_NUMBERS = Object.fromEntries(SDU.map(([type]) => [type, [] as number[]])) as Record<
  InteractionType,
  number[]
>;
for (const [number, [type, stage]] of SDU.entries()) SDU_NUMBERS[type][stage] = number;

const supplement = createGrammar(createRegistry([malArea])).codec(NamedValueType);

/** The header of a message whose body has `bodySize` bytes. */
export const encodeHeader = (header: MessageHeader, encodingId: number, bodySize: number): Uint8Array =>
  Uint8Array.from(headerBytes(header, encodingId, bodySize));

const writer = new FixedWriter();

/** As {@link encodeHeader}, in memory that the next call uses again. */
export function headerBytes(header: MessageHeader, encodingId: number, bodySize: number): Uint8Array {
  const sdu = SDU_NUMBERS[header.interactionType][header.interactionStage];
  if (sdu === undefined) throw badEncoding(`no stage ${header.interactionStage} in ${header.interactionType}`);
  writer.rewind();
  writer.uinteger(0);
  writer.uoctet((VERSION << 5) | sdu);
  writer.ushort(header.area);
  writer.ushort(header.service);
  writer.ushort(header.operation);
  writer.uoctet(header.areaVersion);
  writer.uoctet((header.isError ? ERROR : 0) | QOS_AND_SESSION);
  writer.long(header.transactionId);
  const authenticated = header.authenticationId.length > 0;
  writer.uoctet(SOURCE | DESTINATION | TIMESTAMP | (authenticated ? AUTHENTICATION_ID : 0));
  writer.uoctet(encodingId);
  writer.count(header.supplements.length);
  for (const value of header.supplements) supplement.write(writer, value);
  writer.text(header.from);
  writer.text(header.to);
  writer.time(header.timestamp, false);
  if (authenticated) writer.blob(header.authenticationId);
  const pieces = writer.finish();
  const bytes = pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces);
  bytes.writeUInt32BE(bytes.length + bodySize, 0);
  return bytes;
}

export interface DecodedHeader {
  readonly header: MessageHeader;
  readonly encodingId: number;
  /** Of the binding; only {@link VERSION} is served. */
  readonly version: number;
  readonly bodyStart: number;
}

/**
 * Reads the header of a whole message.
 * @param missing stands for an absent source, destination or timestamp
 * @throws MalError Bad Encoding
 */
export function decodeHeader(
  frame: Buffer,
  missing: { readonly from: string; readonly to: string; readonly now: bigint },
): DecodedHeader {
  const reader = new FixedReader(frame);
  reader.uinteger();
  const first = reader.uoctet();
  const unit = SDU[first & 0x1f];
  if (unit === undefined) throw badEncoding(`no SDU type ${first & 0x1f}`);
  const area = reader.ushort();
  const service = reader.ushort();
  const operation = reader.ushort();
  const areaVersion = reader.uoctet();
  const isError = (reader.uoctet() & ERROR) !== 0;
  const transactionId = reader.long();
  const flags = reader.uoctet();
  const encodingId = reader.uoctet();
  const supplements: NamedValue[] = [];
  for (let left = reader.count(supplement.minimum); left > 0; left--) supplements.push(supplement.read(reader));
  const from = (flags & SOURCE) !== 0 ? reader.text() : missing.from;
  const to = (flags & DESTINATION) !== 0 ? reader.text() : missing.to;
  if ((flags & PRIORITY) !== 0) reader.uinteger();
  const timestamp = (flags & TIMESTAMP) !== 0 ? reader.time() : missing.now;
  if ((flags & NETWORK_ZONE) !== 0) reader.text();
  if ((flags & SESSION_NAME) !== 0) reader.text();
  if ((flags & DOMAIN) !== 0) for (let left = reader.count(4); left > 0; left--) reader.text();
  const authenticationId = (flags & AUTHENTICATION_ID) !== 0 ? reader.blob() : NOTHING;
  const [interactionType, interactionStage] = unit;
  return {
    header: {
      from,
      to,
      authenticationId,
      timestamp,
      interactionType,
      interactionStage,
      transactionId,
      area,
      service,
      operation,
      areaVersion,
      isError,
      supplements,
    },
    encodingId,
    version: first >>> 5,
    bodyStart: frame.length - reader.remaining,
  };
}

const NOTHING = new Uint8Array(0);
