import {
  Blob,
  Identifier,
  InteractionType,
  Long,
  MalBoolean,
  malArea,
  NamedValue,
  Time,
  UOctet,
  UShort,
} from '../../area.js';
import { createGrammar } from '../../encoding/grammar.js';
import type { Encoding } from '../../encoding/index.js';
import { varintOf } from '../../encoding/varint.js';
import { badEncoding, isMalError } from '../../errors.js';
import type { IncomingMessage, MessageHeader, OutgoingMessage } from '../../message.js';
import { body, createRegistry, list } from '../../schema/index.js';

/**
 * The MAL header as fields before the body, in the body's own encoding: how malhttp has it in its mode without HTTP headers
 * ("NoEncoding"), as ESA's 12.2 has it. Where flags are kept apart, header and body share one bit field, the header's first.
 */
const HEADER = createGrammar(createRegistry([malArea])).body(
  body({
    from: Identifier,
    authenticationId: Blob,
    to: Identifier,
    timestamp: Time,
    interactionType: InteractionType,
    interactionStage: UOctet,
    transactionId: Long,
    area: UShort,
    service: UShort,
    operation: UShort,
    areaVersion: UOctet,
    isError: MalBoolean,
    supplements: list(NamedValue),
  }),
);

/** Header and body in pieces. */
export function encodeGeneric({ header, body: content, encoding }: OutgoingMessage): readonly Uint8Array[] {
  const writer = encoding.createWriter();
  HEADER.write(writer, header);
  const head = writer.finish();
  if (!encoding.flagsApart) return [...head, ...content];
  const [own, theirs] = [apart(head), apart(content)];
  const shift = flagsOf(header);
  const bits = new Uint8Array((shift + theirs.bits.length * 8 + 7) >>> 3);
  bits.set(own.bits);
  for (let i = 0; i < theirs.bits.length * 8; i++) if (isSet(theirs.bits, i)) set(bits, shift + i);
  return [...field(bits), ...own.data, ...theirs.data];
}

/**
 * Reads a message in the first of the encodings in which its header makes sense.
 * @throws MalError Bad Encoding when there is none
 */
export function decodeGeneric(
  message: Uint8Array,
  encodings: readonly Encoding[],
): IncomingMessage & { readonly encoding: Encoding } {
  for (const encoding of encodings) {
    try {
      const reader = encoding.createReader(message);
      const header: MessageHeader = HEADER.read(reader);
      if (!isSound(header)) continue;
      const data = message.subarray(message.length - reader.remaining);
      if (!encoding.flagsApart) return { header, body: data, encoding };
      const { bits } = apart([message]);
      const shift = flagsOf(header);
      const rest = new Uint8Array(Math.max(0, (bits.length * 8 - shift + 7) >>> 3));
      for (let i = shift; i < bits.length * 8; i++) if (isSet(bits, i)) set(rest, i - shift);
      return { header, body: Buffer.concat([...field(rest), data]), encoding };
    } catch (error) {
      if (!isMalError(error)) throw error;
    }
  }
  throw badEncoding('neither HTTP headers nor a body that carry a MAL header');
}

/** What is no URI was read in another encoding than it was written in. */
const isSound = ({ from, to, interactionStage }: MessageHeader): boolean =>
  from.startsWith('malhttp://') && to.startsWith('malhttp://') && interactionStage >= 1 && interactionStage <= 10;

/** Flags that a header takes: whether it is an error, and for each supplement whether it has a value and which when Boolean. */
const flagsOf = ({ supplements }: MessageHeader): number =>
  supplements.reduce((sum, { value }) => sum + (value?.type === 'Boolean' ? 2 : 1), 1);

/** A message that begins with its bit field, taken apart. */
function apart(pieces: readonly Uint8Array[]): { readonly bits: Uint8Array; readonly data: readonly Uint8Array[] } {
  if (pieces.length === 0) return { bits: new Uint8Array(0), data: [] };
  const [first] = pieces as readonly [Uint8Array, ...Uint8Array[]];
  let head: Uint8Array = first;
  let next = 1;
  for (;;) {
    let size = 0;
    let at = 0;
    while (at < head.length && head[at]! > 127) size |= (head[at]! & 127) << (7 * at++);
    if (at < head.length) {
      size |= head[at]! << (7 * at);
      const end = at + 1 + size;
      if (head.length >= end) {
        return { bits: head.subarray(at + 1, end), data: [head.subarray(end), ...pieces.slice(next)] };
      }
    }
    if (next === pieces.length) throw badEncoding('a bit field that goes beyond the message');
    head = Buffer.concat([head, pieces[next++]!]);
  }
}

/** A bit field up to its last bit that is set, behind its length. */
function field(bits: Uint8Array): readonly Uint8Array[] {
  let size = bits.length;
  while (size > 0 && bits[size - 1] === 0) size--;
  return [varintOf(BigInt(size)), bits.subarray(0, size)];
}

const isSet = (bits: Uint8Array, i: number): boolean => ((bits[i >>> 3]! >>> (i & 7)) & 1) === 1;

const set = (bits: Uint8Array, i: number): void => {
  bits[i >>> 3]! |= 1 << (i & 7);
};
