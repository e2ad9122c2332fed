import type { InteractionType, NamedValue } from './area.js';
import type { Encoding } from './encoding/encoding.js';
import type { Grammar } from './encoding/grammar.js';
import { badEncoding, isMalError } from './errors.js';
import { createPace } from './pace.js';
import type { BodyDescriptor } from './schema/index.js';

/** MAL v3 message header. */
export interface MessageHeader {
  readonly from: string;
  readonly to: string;
  readonly authenticationId: Uint8Array;
  /** Nanoseconds since 1970; milliseconds on the wire. */
  readonly timestamp: bigint;
  readonly interactionType: InteractionType;
  readonly interactionStage: number;
  readonly transactionId: bigint;
  readonly area: number;
  readonly service: number;
  readonly operation: number;
  readonly areaVersion: number;
  readonly isError: boolean;
  readonly supplements: readonly NamedValue[];
}

export interface OutgoingMessage {
  readonly header: MessageHeader;
  /** Pieces that follow each other. */
  readonly body: readonly Uint8Array[];
  readonly encoding: Encoding;
}

export interface IncomingMessage {
  readonly header: MessageHeader;
  readonly body: Uint8Array;
}

/** The other end of a channel, as far as the network tells. */
export interface Peer {
  /** IP address; empty in process. */
  readonly address: string;
  readonly port: number;
  /** Whether the connection is encrypted. */
  readonly secure: boolean;
}

/** Where messages go to and replies come back from: one connection, or what stands for it. */
export interface Channel {
  readonly peer: Peer;
  /** Encodings that the other end may be using: one when it is known. */
  readonly encodings: readonly Encoding[];
  readonly open: boolean;
  /** Fixes the encoding once a message has shown it. */
  settle(encoding: Encoding): void;
  /**
   * Sends a message and waits while too much is under way.
   * @throws MalError Destination Lost when the channel is, or gets, closed
   */
  send(message: OutgoingMessage): Promise<void>;
  /** Sends without waiting; false, and the channel is dropped, when the other end has left too much unread. */
  offer(message: OutgoingMessage): boolean;
  /** Whether much of what was offered is still here, though not yet too much. */
  readonly congested?: boolean;
  /** Resolves when all of it has gone out, or the channel is closed. */
  relieved?(): Promise<void>;
  /** Stops, and resumes, reading from the other end; calls add up. */
  pause(): void;
  resume(): void;
  /** Ends the channel at once; the reason is for the log. */
  close(reason: string): void;
  /** Calls once the channel is closed, or at once if it is. @returns what takes the listener away again */
  onClose(listener: () => void): () => void;
}

export type Receive = (message: IncomingMessage, channel: Channel) => void;

/** Where modules report what an operator may want to know. */
export type Log = (level: 'info' | 'warn', event: string, details: Readonly<Record<string, unknown>>) => void;

export const noLog: Log = () => {};

/** A body in pieces; one without fields is no bytes at all. */
export function encodeBody<V>(grammar: Grammar, encoding: Encoding, type: BodyDescriptor<V>, value: V): Uint8Array[] {
  if (type.fields.length === 0) return [];
  const writer = encoding.createWriter();
  grammar.body(type).write(writer, value);
  return writer.finish();
}

/** List entries from which on a body is encoded in turns. */
const LONG_LIST = 512;

/** Bytes that a long body is given at first. */
const LONG_BODY = 65_536;

/** Whether encoding a body could keep everything else waiting. */
export const isLong = (type: BodyDescriptor, value: unknown): boolean =>
  type.fields.some(({ name, type: { kind } }) => {
    if (kind !== 'list') return false;
    const list = (value as Readonly<Record<string, unknown>>)[name];
    return Array.isArray(list) && list.length > LONG_LIST;
  });

/** As {@link encodeBody}, in turns. */
export async function encodeLongBody<V>(
  grammar: Grammar,
  encoding: Encoding,
  type: BodyDescriptor<V>,
  value: V,
): Promise<Uint8Array[]> {
  const pace = createPace();
  const writer = encoding.createWriter(LONG_BODY);
  for (const _ of grammar.body(type).steps!(writer, value)) if (pace.over()) await pace.rest();
  return writer.finish();
}

/**
 * Reads a body. Where the channel leaves several encodings open, the one that takes the body exactly is the one; what fits several
 * is read in the first of them and leaves the question open. Bytes behind the last field are ignored.
 * @throws MalError Bad Encoding
 */
export function decodeBody<V>(
  grammar: Grammar,
  channel: Channel,
  type: BodyDescriptor<V>,
  bytes: Uint8Array,
): { readonly value: V; readonly encoding: Encoding } {
  const [first] = channel.encodings as readonly [Encoding, ...Encoding[]];
  if (type.fields.length === 0) return { value: {} as V, encoding: first };
  const codec = grammar.body(type);
  if (channel.encodings.length === 1) return { value: codec.read(first.createReader(bytes)), encoding: first };
  const exact: { readonly value: V; readonly encoding: Encoding }[] = [];
  let loose: { readonly value: V; readonly encoding: Encoding } | undefined;
  for (const encoding of channel.encodings) {
    try {
      const reader = encoding.createReader(bytes);
      const read = { value: codec.read(reader), encoding };
      if (reader.remaining === 0) exact.push(read);
      else loose ??= read;
    } catch (error) {
      if (!isMalError(error)) throw error;
    }
  }
  if (exact.length === 1) channel.settle(exact[0]!.encoding);
  const read = exact[0] ?? loose;
  if (read === undefined) throw badEncoding('a body that fits none of the encodings offered here');
  return read;
}

/** The part of a URI that names an endpoint: behind the third slash, up to an `@`. */
export function endpointName(uri: string): string {
  const start = uri.indexOf('/', uri.indexOf('://') + 3);
  if (!uri.includes('://') || start === -1) return uri.includes('://') ? '' : uri;
  const at = uri.indexOf('@', start);
  return uri.slice(start + 1, at === -1 ? undefined : at);
}

/** Scheme, host and port of a URI, without a slash at the end. */
export function rootOf(uri: string): string {
  const start = uri.indexOf('/', uri.indexOf('://') + 3);
  return start === -1 ? uri : uri.slice(0, start);
}
