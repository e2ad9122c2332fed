import { badEncoding } from '../../errors.js';
import { ByteReader } from '../byte-reader.js';
import type { Reader } from '../encoding.js';
import { fromHalves } from '../halves.js';
import { unzigzag32 } from '../varint.js';

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
    const low = this.wideVarint();
    const sign = -(low & 1);
    return fromHalves((this.high >>> 1) ^ sign, ((low >>> 1) | (this.high << 31)) ^ sign);
  }
  ulong(): bigint {
    const low = this.wideVarint();
    return this.high >= 0 ? fromHalves(this.high, low) : BigInt.asUintN(64, fromHalves(this.high, low));
  }
  float(): number {
    scratch.setInt32(0, unzigzag32(this.varint()));
    return scratch.getFloat32(0);
  }
  double(): number {
    scratch.setBigInt64(0, this.long());
    return scratch.getFloat64(0);
  }
  /** Up to 32 bits; more, or a longer form, is refused. */
  protected varint(): number {
    let byte = this.uoctet();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = this.uoctet();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    byte = this.uoctet();
    if (byte > 0x0f) throw badEncoding('an integer of more than 32 bits');
    return value + byte * 2 ** 28;
  }

  /** Upper half of what `wideVarint` read. */
  private high = 0;

  /** Up to 64 bits: the lower half. */
  private wideVarint(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uoctet();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.high = 0;
        return low;
      }
    }
    let middle = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uoctet();
      middle |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.high = middle >>> 4;
        return low | (middle << 28);
      }
    }
    let upper = this.uoctet();
    if (upper >= 0x80) {
      const last = this.uoctet();
      if (last > 1) throw badEncoding('an integer of more than 64 bits');
      upper = (upper & 0x7f) | (last << 7);
    }
    this.high = (middle >>> 4) | (upper << 24);
    return low | (middle << 28);
  }
}
