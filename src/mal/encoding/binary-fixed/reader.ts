import { badEncoding } from '../../errors.js';
import { asBuffer, readUtf8 } from '../bytes.js';
import { fineTimeFrom, timeFrom } from '../cds.js';
import { durationFromSeconds } from '../duration.js';
import { FREE_ENTRIES, type Reader } from '../encoding.js';

export class FixedReader implements Reader {
  private readonly buffer: Buffer;
  private position = 0;

  constructor(message: Uint8Array) {
    this.buffer = asBuffer(message);
  }

  get remaining(): number {
    return this.buffer.length - this.position;
  }

  /** Moves past `size` bytes and gives the place where they begin. */
  private take(size: number): number {
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
  short(): number {
    return this.buffer.readInt16BE(this.take(2));
  }
  ushort(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }
  integer(): number {
    return this.buffer.readInt32BE(this.take(4));
  }
  uinteger(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }
  long(): bigint {
    return this.buffer.readBigInt64BE(this.take(8));
  }
  ulong(): bigint {
    return this.buffer.readBigUInt64BE(this.take(8));
  }
  float(): number {
    return this.buffer.readFloatBE(this.take(4));
  }
  double(): number {
    return this.buffer.readDoubleBE(this.take(8));
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
    if (count * minimum > this.remaining || (minimum === 0 && count > FREE_ENTRIES)) {
      throw badEncoding(`a list of ${count} entries in ${this.remaining} bytes`);
    }
    return count;
  }
  typeId(): bigint {
    return this.long();
  }
}

/** A plain Uint8Array on the same memory. */
export const viewOf = (buffer: Buffer, start: number, end: number): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
