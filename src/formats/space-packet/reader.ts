import { decodePrimaryHeader, PRIMARY_HEADER_LENGTH, type PrimaryHeader } from './header.js';

export interface SpacePacket {
  /** Byte position of the packet's primary header in the file. */
  readonly offset: number;
  readonly header: PrimaryHeader;
  /** Primary header and data; a view that stays valid, not copied when it lies within one chunk. */
  readonly bytes: Uint8Array;
}

export type PacketProblemKind = 'truncated' | 'version' | 'prefix';

export interface PacketProblem {
  readonly kind: PacketProblemKind;
  readonly offset: number;
  readonly reason: string;
}

export interface PacketReaderOptions {
  /** Fixed bytes in front of every packet. */
  readonly prefix?: Uint8Array;
  /** Told of everything that is wrong; without it nothing is said. */
  readonly onProblem?: (problem: PacketProblem) => void;
}

/** Where a splitter stands: `done` once a wrong prefix ended the reading. */
export interface PacketSplitter {
  push(chunk: Uint8Array): Iterable<SpacePacket>;
  /** Reports a packet that was cut off. */
  end(): void;
  readonly done: boolean;
}

/**
 * Cuts a byte stream into packets. A packet of another version is reported and left out, reading goes on behind it;
 * a wrong prefix ends the reading, since what follows cannot be told. Holds one packet at most.
 */
export function packetSplitter(options: PacketReaderOptions = {}): PacketSplitter {
  const prefix = options.prefix ?? new Uint8Array(0);
  const headLength = prefix.length + PRIMARY_HEADER_LENGTH;
  let held: Uint8Array[] = [];
  let heldLength = 0;
  let needed = headLength;
  let position = 0;
  let done = false;

  const report = (kind: PacketProblemKind, offset: number, reason: string): void =>
    options.onProblem?.({ kind, offset, reason });

  function* push(chunk: Uint8Array): Generator<SpacePacket> {
    if (done || chunk.length === 0) return;
    held.push(chunk);
    heldLength += chunk.length;
    if (heldLength < needed) return;
    const bytes = held.length === 1 ? chunk : concat(held, heldLength);
    let at = 0;
    needed = headLength;
    while (bytes.length - at >= headLength) {
      if (!startsWith(bytes, at, prefix)) {
        report('prefix', position + at, `the ${prefix.length} bytes before a packet are not ${hex(prefix)}`);
        done = true;
        held = [];
        heldLength = 0;
        return;
      }
      const start = at + prefix.length;
      const header = decodePrimaryHeader(bytes, start);
      const length = headLength + header.dataLength;
      if (bytes.length - at < length) {
        needed = length;
        break;
      }
      if (header.version === 0) {
        yield { offset: position + start, header, bytes: bytes.subarray(start, at + length) };
      } else {
        report('version', position + start, `packet version number is ${header.version}, not 0`);
      }
      at += length;
    }
    position += at;
    heldLength = bytes.length - at;
    held = heldLength > 0 ? [bytes.subarray(at)] : [];
  }

  return {
    push,
    end() {
      if (done || heldLength === 0) return;
      const what = heldLength < headLength ? 'its header' : `${needed} bytes`;
      report('truncated', position, `the file ends ${heldLength} bytes into a packet that needs ${what}`);
    },
    get done() {
      return done;
    },
  };
}

/** Packets of a file as it streams in: a Node stream or any async (or plain) iterable of chunks. */
export async function* readPackets(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: PacketReaderOptions = {},
): AsyncGenerator<SpacePacket> {
  const splitter = packetSplitter(options);
  for await (const chunk of source) {
    yield* splitter.push(chunk);
    if (splitter.done) return;
  }
  splitter.end();
}

/** Packets of a file that is in memory already. */
export function* readPacketsFrom(bytes: Uint8Array, options: PacketReaderOptions = {}): Generator<SpacePacket> {
  const splitter = packetSplitter(options);
  yield* splitter.push(bytes);
  splitter.end();
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let index = 0; index < prefix.length; index++) if (bytes[at + index] !== prefix[index]) return false;
  return true;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
