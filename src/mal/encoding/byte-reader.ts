import { badEncoding } from '../errors.js';
import { asBuffer, readUtf8 } from './bytes.js';
import { fineTimeFrom, timeFrom } from './cds.js';
import { durationFromSeconds } from './duration.js';
import { FREE_ENTRIES } from './encoding.js';

/** What every binary encoding reads alike: whole bytes, and whatever stands behind a length, given how numbers are written. */
export abstract class ByteReader {
  protected readonly buffer: Buffer;
  protected position = 0;

  constructor(message: Uint8Array) {
    this.buffer = asBuffer(message);
  }

  abstract uinteger(): number;
  abstract long(): bigint;
  abstract double(): number;

  get remaining(): number {
    return this.buffer.length - this.position;
  }

  /** Moves past `size` bytes and gives the place where they begin. */
  protected take(size: number): number {
    const start = this.position;
    if (size > this.buffer.length - start)
      throw badEncoding(`the message ends ${size} bytes too early at byte ${start}`);
    this.position = start + size;
    return start;
  }

  flag(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }
  octet(): number {
    return this.buffer.readInt8(this.take(1));
  }
  uoctet(): number {
    return this.buffer[this.take(1)]!;
  }
  text(): string {
    const start = this.take(this.uinteger());
    return readUtf8(this.buffer, start, this.position);
  }
  blob(): Uint8Array {
    const start = this.take(this.uinteger());
    return viewOf(this.buffer, start, this.position);
  }
  time(): bigint {
    const start = this.take(6);
    return timeFrom(this.buffer.readUInt16BE(start), this.buffer.readUInt32BE(start + 2));
  }
  fineTime(): bigint {
    const start = this.take(10);
    const { buffer } = this;
    return fineTimeFrom(buffer.readUInt16BE(start), buffer.readUInt32BE(start + 2), buffer.readUInt32BE(start + 6));
  }
  duration(): bigint {
    return durationFromSeconds(this.double());
  }
  count(minimum: number): number {
    const count = this.uinteger();
    if (count * minimum > this.remaining || (minimum === 0 && count > this.free)) {
      throw badEncoding(`a list of ${count} entries in ${this.remaining} bytes`);
    }
    return count;
  }
  typeId(): bigint {
    return this.long();
  }

  /** How many entries without a byte of their own a list may have. */
  protected get free(): number {
    return FREE_ENTRIES;
  }
}

/** A plain Uint8Array on the same memory. */
const viewOf = (buffer: Buffer, start: number, end: number): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
