/** What every MAL encoding offers: primitives in, bytes out, and back. The grammar of elements is in grammar.ts. */

/** A type id with its bytes ready made. */
export interface WireTypeId {
  readonly id: bigint;
  /** Upper and lower 32 bits. */
  readonly high: number;
  readonly low: number;
  /** As a signed variable-length integer. */
  readonly varint: Uint8Array;
}

/** A run of primitives as one encoding has them, to be written again. */
export interface Fragment {
  readonly bytes: Uint8Array;
  /** The flags, lowest bit first, of an encoding that keeps them apart; else empty. */
  readonly flags: Uint8Array;
  readonly flagCount: number;
}

/** A place in what is being written: bytes and flags before it. */
export interface Mark {
  readonly bytes: number;
  readonly flags: number;
}

/** Appends primitives; values outside their type throw MalError Bad Encoding. */
export interface Writer {
  /** {@link Encoding.id} of the encoding it writes. */
  readonly encodingId: number;
  /** A Boolean or a presence flag. */
  flag(value: boolean): void;
  octet(value: number): void;
  uoctet(value: number): void;
  short(value: number): void;
  ushort(value: number): void;
  integer(value: number): void;
  uinteger(value: number): void;
  long(value: bigint): void;
  ulong(value: bigint): void;
  float(value: number): void;
  double(value: number): void;
  text(value: string): void;
  /** Large values are taken by reference: they must not change until the message is sent. */
  blob(value: Uint8Array): void;
  /** @param ns since 1970; finer than milliseconds is rounded as told */
  time(ns: bigint, roundUp: boolean): void;
  fineTime(ns: bigint): void;
  duration(ns: bigint): void;
  count(value: number): void;
  typeId(id: WireTypeId): void;
  mark(): Mark;
  /** A copy of what was written since; null when a large value in it went by reference. */
  since(mark: Mark): Fragment | null;
  /** Appends what a writer of the same encoding wrote before. */
  splice(fragment: Fragment): void;
  /** The message so far, in pieces to be sent one after the other. */
  finish(): Uint8Array[];
}

/** Reads primitives from one message; anything wrong throws MalError Bad Encoding. */
export interface Reader {
  flag(): boolean;
  octet(): number;
  uoctet(): number;
  short(): number;
  ushort(): number;
  integer(): number;
  uinteger(): number;
  long(): bigint;
  ulong(): bigint;
  float(): number;
  double(): number;
  text(): string;
  /** A view on the message, not a copy. */
  blob(): Uint8Array;
  time(): bigint;
  fineTime(): bigint;
  duration(): bigint;
  /**
   * Number of list entries, checked against what the message can hold.
   * @param minimum fewest bytes of one entry
   */
  count(minimum: number): number;
  typeId(): bigint;
  /** Bytes not yet read. */
  readonly remaining: number;
}

export type EncodingName = 'binary-fixed' | 'binary-variable' | 'binary-split';

export interface Encoding {
  readonly name: EncodingName;
  /** Encoding id of message headers that have one. */
  readonly id: number;
  /** Booleans and presence flags take no byte of their own. */
  readonly flagsApart: boolean;
  /** @param size bytes to make room for at first */
  createWriter(size?: number): Writer;
  createReader(message: Uint8Array): Reader;
}

/** List entries that may take no byte at all are accepted up to this number, and one more for each bit of the message. */
export const FREE_ENTRIES = 1024;

/** How values of one type become primitives, and back. */
export interface Codec<V = unknown> {
  write(writer: Writer, value: V): void;
  /** As `write`, in steps of no long time; types whose values are never large have none. */
  steps?(writer: Writer, value: V): Iterable<void>;
  read(reader: Reader): V;
  /** Fewest bytes a value takes in any encoding. */
  readonly minimum: number;
}
