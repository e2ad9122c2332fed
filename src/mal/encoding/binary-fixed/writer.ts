import { ByteWriter } from '../byte-writer.js';
import { dayOf, msOfDay, picosecondsOf, timeToMs } from '../cds.js';
import { durationToSeconds } from '../duration.js';
import type { WireTypeId, Writer } from '../encoding.js';
import { checkBigint, checkNumber } from '../ranges.js';

/** Everything big endian in its full width. */
export class FixedWriter extends ByteWriter implements Writer {
  readonly encodingId = 0;

  /** Begins anew in the same memory: what `finish` gave is overwritten. */
  rewind(): void {
    this.sink.rewind();
  }

  private room(size: number): Buffer {
    this.sink.reserve(size);
    this.sink.position += size;
    return this.sink.buffer;
  }

  flag(value: boolean): void {
    this.room(1)[this.sink.position - 1] = value ? 1 : 0;
  }
  octet(value: number): void {
    checkNumber(value, 'Octet');
    this.room(1)[this.sink.position - 1] = value & 0xff;
  }
  uoctet(value: number): void {
    checkNumber(value, 'UOctet');
    this.room(1)[this.sink.position - 1] = value;
  }
  short(value: number): void {
    checkNumber(value, 'Short');
    this.room(2).writeInt16BE(value, this.sink.position - 2);
  }
  ushort(value: number): void {
    checkNumber(value, 'UShort');
    this.room(2).writeUInt16BE(value, this.sink.position - 2);
  }
  integer(value: number): void {
    checkNumber(value, 'Integer');
    this.room(4).writeInt32BE(value, this.sink.position - 4);
  }
  uinteger(value: number): void {
    checkNumber(value, 'UInteger');
    this.room(4).writeUInt32BE(value, this.sink.position - 4);
  }
  long(value: bigint): void {
    checkBigint(value, 'Long');
    this.room(8).writeBigInt64BE(value, this.sink.position - 8);
  }
  ulong(value: bigint): void {
    checkBigint(value, 'ULong');
    this.room(8).writeBigUInt64BE(value, this.sink.position - 8);
  }
  float(value: number): void {
    this.room(4).writeFloatBE(value, this.sink.position - 4);
  }
  double(value: number): void {
    this.room(8).writeDoubleBE(value, this.sink.position - 8);
  }
  text(value: string): void {
    const { sink } = this;
    sink.reserve(4 + value.length * 3);
    const size = sink.put(value, sink.position + 4);
    sink.buffer.writeUInt32BE(size, sink.position);
    sink.position += 4 + size;
  }
  blob(value: Uint8Array): void {
    this.count(value.length);
    this.sink.append(value);
  }
  time(ns: bigint, roundUp: boolean): void {
    const ms = timeToMs(ns, roundUp);
    const buffer = this.room(6);
    buffer.writeUInt16BE(dayOf(ms), this.sink.position - 6);
    buffer.writeUInt32BE(msOfDay(ms), this.sink.position - 4);
  }
  fineTime(ns: bigint): void {
    this.time(ns, false);
    this.room(4).writeUInt32BE(picosecondsOf(ns), this.sink.position - 4);
  }
  duration(ns: bigint): void {
    this.double(durationToSeconds(ns));
  }
  count(value: number): void {
    this.room(4).writeUInt32BE(value, this.sink.position - 4);
  }
  typeId(id: WireTypeId): void {
    const buffer = this.room(8);
    buffer.writeUInt32BE(id.high, this.sink.position - 8);
    buffer.writeUInt32BE(id.low, this.sink.position - 4);
  }
}
