import type { CompositeDescriptor, Typed } from '../schema/index.js';
import type { Codec, Fragment, Reader, Writer } from './encoding.js';
import { sameValue } from './same.js';

/**
 * Bytes of values of one composite type, kept to be written again. A value is found by its name and then compared, so that what
 * is written is always what encoding it anew would give. Given to a grammar, it serves every message that grammar writes.
 */
export interface Reuse {
  readonly type: CompositeDescriptor;
  codec(plain: Codec): Codec;
  /** Bytes held, with an estimate for the values they were made from. */
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

export interface ReuseOptions<V> {
  /** Under which a value is kept; another value of the same name takes its place. */
  readonly name: (value: V) => string;
  /** Most bytes to hold; what was not used for longest goes first. */
  readonly limit: number;
}

/** What one value takes beside its encoded bytes: the value itself, as a multiple of them, and the book-keeping. */
const VALUE_FACTOR = 5;
const OVERHEAD = 256;

/** A value with its bytes by encoding id, in a ring by time of use. */
interface Kept {
  readonly name: string;
  value: unknown;
  fragments: (Fragment | undefined)[];
  size: number;
  before: Kept;
  after: Kept;
}

export function createReuse<V>(type: CompositeDescriptor & Typed<V>, { name, limit }: ReuseOptions<V>): Reuse {
  const kept = new Map<string, Kept>();
  const ring = {} as Kept;
  ring.before = ring;
  ring.after = ring;
  let bytes = 0;
  let hits = 0;
  let misses = 0;

  function unlink(entry: Kept): void {
    entry.before.after = entry.after;
    entry.after.before = entry.before;
  }

  function use(entry: Kept): void {
    entry.before = ring;
    entry.after = ring.after;
    ring.after.before = entry;
    ring.after = entry;
  }

  function keep(known: Kept | undefined, value: V, encoding: number, fragment: Fragment): void {
    const size = fragment.bytes.length + fragment.flags.length;
    let entry = known;
    if (entry === undefined) {
      const key = name(value);
      entry = { name: key, value, fragments: [], size: 0, before: ring, after: ring };
      kept.set(key, entry);
    } else {
      unlink(entry);
    }
    use(entry);
    if (entry.size === 0 || entry.value !== value) {
      bytes -= entry.size;
      entry.value = value;
      entry.fragments = [];
      entry.size = OVERHEAD + VALUE_FACTOR * size;
      bytes += entry.size;
    }
    entry.fragments[encoding] = fragment;
    entry.size += size;
    bytes += size;
    for (let oldest = ring.before; bytes > limit && oldest !== ring; oldest = ring.before) {
      unlink(oldest);
      kept.delete(oldest.name);
      bytes -= oldest.size;
    }
  }

  return {
    type,
    codec: (plain) => ({
      write(writer: Writer, value: unknown): void {
        const known = kept.get(name(value as V));
        const same = known !== undefined && (known.value === value || sameValue(known.value, value));
        const fragment = same ? known.fragments[writer.encodingId] : undefined;
        if (fragment !== undefined) {
          hits++;
          known!.value = value;
          if (ring.after !== known) {
            unlink(known!);
            use(known!);
          }
          writer.splice(fragment);
          return;
        }
        misses++;
        const mark = writer.mark();
        plain.write(writer, value);
        const written = writer.since(mark);
        if (written !== null) keep(known, (same ? known.value : value) as V, writer.encodingId, written);
      },
      read: (reader: Reader) => plain.read(reader),
      minimum: plain.minimum,
    }),
    get bytes() {
      return bytes;
    },
    get hits() {
      return hits;
    },
    get misses() {
      return misses;
    },
  };
}
