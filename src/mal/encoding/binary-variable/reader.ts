import { badEncoding } from '../../errors.js';
import { ByteReader } from '../byte-reader.js';
import type { Reader } from '../encoding.js';
import { unzigzag32, unzigzag64 } from '../varint.js';

const scratch = new DataView(new ArrayBuffer(8));

export class VariableReader extends ByteReader implements Reader {
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
