import { ByteWriter } from '../byte-writer.js';
import { dayOf, msOfDay, picosecondsOf, timeToMs } from '../cds.js';
import { durationToSeconds } from '../duration.js';
import type { WireTypeId, Writer } from '../encoding.js';
import { checkBigint, checkNumber } from '../ranges.js';
import { zigzag32, zigzag64 } from '../varint.js';

const scratch = new DataView(new ArrayBuffer(8));

/** Integers, lengths and the bits of floats as base-128 integers; single octets and times as they are. */
export class VariableWriter extends ByteWriter implements Writer {
  readonly encodingId: number = 1;

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }
  octet(value: number): void {
    checkNumber(value, 'Octet');
    this.byte(value & 0xff);
  }
  uoctet(value: number): void {
    checkNumber(value, 'UOctet');
    this.byte(value);
  }
  short(value: number): void {
    checkNumber(value, 'Short');
    this.varint(zigzag32(value));
  }
  ushort(value: number): void {
    checkNumber(value, 'UShort');
    this.varint(value);
  }
  integer(value: number): void {
    checkNumber(value, 'Integer');
    this.varint(zigzag32(value));
  }
  uinteger(value: number): void {
    checkNumber(value, 'UInteger');
    this.varint(value);
  }
  long(value: bigint): void {
    checkBigint(value, 'Long');
    this.wideVarint(zigzag64(value));
  }
  ulong(value: bigint): void {
    checkBigint(value, 'ULong');
    this.wideVarint(value);
  }
  float(value: number): void {
    scratch.setFloat32(0, value);
    this.varint(zigzag32(scratch.getInt32(0)));
  }
  double(value: number): void {
    scratch.setFloat64(0, value);
    this.wideVarint(zigzag64(scratch.getBigInt64(0)));
  }
  text(value: string): void {
    const { sink } = this;
    if (value.length <= 42) {
      sink.reserve(1 + value.length * 3);
      const size = sink.put(value, sink.position + 1);
      sink.buffer[sink.position] = size;
      sink.position += 1 + size;
      return;
    }
    const size = Buffer.byteLength(value);
    this.varint(size);
    sink.reserve(size);
    sink.position += sink.buffer.write(value, sink.position, 'utf8');
  }
  blob(value: Uint8Array): void {
    this.varint(value.length);
    this.sink.append(value);
  }
  time(ns: bigint, roundUp: boolean): void {
    const ms = timeToMs(ns, roundUp);
    const { sink } = this;
    sink.reserve(6);
    sink.buffer.writeUInt16BE(dayOf(ms), sink.position);
    sink.buffer.writeUInt32BE(msOfDay(ms), sink.position + 2);
    sink.position += 6;
  }
  fineTime(ns: bigint): void {
    this.time(ns, false);
    const { sink } = this;
    sink.reserve(4);
    sink.buffer.writeUInt32BE(picosecondsOf(ns), sink.position);
    sink.position += 4;
  }
  duration(ns: bigint): void {
    this.double(durationToSeconds(ns));
  }
  count(value: number): void {
    this.varint(value);
  }
  typeId(id: WireTypeId): void {
    this.sink.append(id.varint);
  }

  protected byte(value: number): void {
    this.sink.reserve(1);
    this.sink.buffer[this.sink.position++] = value;
  }

  /** Up to 32 bits. */
  private varint(value: number): void {
    const { sink } = this;
    sink.reserve(5);
    let rest = value;
    while (rest > 0x7f) {
      sink.buffer[sink.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    sink.buffer[sink.position++] = rest;
  }

  private wideVarint(value: bigint): void {
    const { sink } = this;
    sink.reserve(10);
    let rest = value;
    while (rest > 0xfffffffn) {
      const low = Number(rest & 0xfffffffn);
      for (let shift = 0; shift < 28; shift += 7) sink.buffer[sink.position++] = ((low >>> shift) & 0x7f) | 0x80;
      rest >>= 28n;
    }
    this.varint(Number(rest));
  }
}
