import { badEncoding } from '../../errors.js';
import { viewOf } from '../binary-fixed/reader.js';
import { asBuffer, readUtf8 } from '../bytes.js';
import { fineTimeFrom, timeFrom } from '../cds.js';
import { durationFromSeconds } from '../duration.js';
import { FREE_ENTRIES, type Reader } from '../encoding.js';
import { unzigzag32, unzigzag64 } from '../varint.js';

const scratch = new DataView(new ArrayBuffer(8));

export class VariableReader implements Reader {
  protected readonly buffer: Buffer;
  protected position = 0;

  constructor(message: Uint8Array) {
    this.buffer = asBuffer(message);
  }

  get remaining(): number {
    return this.buffer.length - this.position;
  }

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
  short(): number {
    const value = unzigzag32(this.varint());
    if (value < -0x8000 || value > 0x7fff) throw badEncoding(`${value} is no Short`);
    return value;
  }
  ushort(): number {
    const value = this.varint();
    if (value > 0xffff) throw badEncoding(`${value} is no UShort`);
    return value;
  }
  integer(): number {
    return unzigzag32(this.varint());
  }
  uinteger(): number {
    return this.varint();
  }
  long(): bigint {
    return unzigzag64(this.wideVarint());
  }
  ulong(): bigint {
    return this.wideVarint();
  }
  float(): number {
    scratch.setInt32(0, unzigzag32(this.varint()));
    return scratch.getFloat32(0);
  }
  double(): number {
    scratch.setBigInt64(0, unzigzag64(this.wideVarint()));
    return scratch.getFloat64(0);
  }
  text(): string {
    const start = this.take(this.varint());
    return readUtf8(this.buffer, start, this.position);
  }
  blob(): Uint8Array {
    const start = this.take(this.varint());
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
    const count = this.varint();
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

  /** Up to 32 bits; more, or a longer form, is refused. */
  protected varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.buffer[this.take(1)]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
      if (shift === 28) throw badEncoding('an integer of more than 32 bits');
    }
    if (value > 0xffff_ffff) throw badEncoding('an integer of more than 32 bits');
    return value;
  }

  private wideVarint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.buffer[this.take(1)]!;
      low += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return BigInt(low);
    }
    let high = 0;
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = this.buffer[this.take(1)]!;
      high += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (high >= 2 ** 15) break;
        return BigInt(low) + (BigInt(high) << 49n);
      }
    }
    throw badEncoding('an integer of more than 64 bits');
  }
}
