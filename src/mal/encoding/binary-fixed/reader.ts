import { ByteReader } from '../byte-reader.js';
import type { Reader } from '../encoding.js';

export class FixedReader extends ByteReader implements Reader {
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
}
