import { badEncoding } from '../errors.js';

export const NO_BYTES = new Uint8Array(0);

const FIRST_SIZE = 256;
/** From this size on, a piece is kept by reference instead of copied. */
const BY_REFERENCE = 16_384;
/** Up to this length, text is copied faster here than by a call into the runtime. */
const SHORT_TEXT = 32;

/** A growing run of bytes; large pieces stay where they are. */
export class Sink {
  buffer: Buffer;
  position = 0;
  /** Start, in `buffer`, of what is not yet in `pieces`. */
  private start = 0;
  private pieces: Uint8Array[] = [];
  /** Bytes in `pieces`. */
  private cutAt = 0;

  constructor(size = FIRST_SIZE) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  /** Makes room for `size` more bytes; `buffer` may be another one afterwards. */
  reserve(size: number): void {
    if (this.position + size <= this.buffer.length) return;
    const kept = this.position - this.start;
    const grown = Buffer.allocUnsafe(Math.max(FIRST_SIZE, (kept + size) * 2));
    this.buffer.copy(grown, 0, this.start, this.position);
    this.buffer = grown;
    this.start = 0;
    this.position = kept;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length >= BY_REFERENCE) {
      this.cut();
      this.pieces.push(bytes);
      this.cutAt += bytes.length;
      return;
    }
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** Writes text as UTF-8 at a place with room for three bytes a character; gives the number of bytes. */
  put(value: string, at: number): number {
    const { buffer } = this;
    const { length } = value;
    if (length > SHORT_TEXT) return buffer.write(value, at, 'utf8');
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return buffer.write(value, at, 'utf8');
      buffer[at + i] = unit;
    }
    return length;
  }

  /** Begins anew in the same memory: what `finish` gave is overwritten. */
  rewind(): void {
    this.position = 0;
    this.start = 0;
    this.cutAt = 0;
    this.pieces = [];
  }

  /** Bytes so far. */
  get length(): number {
    return this.cutAt + this.position - this.start;
  }

  /** A copy of what came behind so many bytes; null when a piece kept by reference did. */
  copyFrom(length: number): Uint8Array | null {
    if (length < this.cutAt) return null;
    return Uint8Array.prototype.slice.call(this.buffer, this.start + length - this.cutAt, this.position);
  }

  finish(): Uint8Array[] {
    this.cut();
    return this.pieces;
  }

  private cut(): void {
    if (this.position > this.start) {
      this.pieces.push(this.buffer.subarray(this.start, this.position));
      this.cutAt += this.position - this.start;
    }
    this.start = this.position;
  }
}

const BYTES_OF_REPLACEMENT = Buffer.from('\ufffd');

/** Short texts of ASCII that were read before: names of types, attributes and domains come again and again. */
const KNOWN_TEXTS = 1024;
const known: string[] = new Array(KNOWN_TEXTS).fill('');

/** @throws MalError when the bytes are not UTF-8 */
export function readUtf8(buffer: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length <= SHORT_TEXT) {
    let hash = length;
    let all = 0;
    for (let i = start; i < end; i++) {
      const byte = buffer[i]!;
      all |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (all < 0x80) {
      const at = (hash ^ (hash >>> 15)) & (KNOWN_TEXTS - 1);
      const before = known[at]!;
      if (before.length === length) {
        let i = 0;
        while (i < length && before.charCodeAt(i) === buffer[start + i]) i++;
        if (i === length) return before;
      }
      const text = buffer.toString('latin1', start, end);
      known[at] = text;
      return text;
    }
  }
  const text = buffer.toString('utf8', start, end);
  if (text.includes('\ufffd')) {
    const replaced = text.split('\ufffd').length - 1;
    let found = 0;
    for (let at = buffer.indexOf(BYTES_OF_REPLACEMENT, start); at !== -1 && at < end; found++) {
      at = buffer.indexOf(BYTES_OF_REPLACEMENT, at + 3);
    }
    if (found !== replaced) throw badEncoding('text that is not UTF-8');
  }
  return text;
}

export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
