import { VariableReader } from '../binary-variable/reader.js';
import { FREE_ENTRIES } from '../encoding.js';

/** Bits behind the end of the bit field are 0. */
export class SplitReader extends VariableReader {
  private readonly bitsStart: number;
  private readonly bitsEnd: number;
  private used = 0;

  constructor(message: Uint8Array) {
    super(message);
    const size = this.varint();
    this.bitsStart = this.take(size);
    this.bitsEnd = this.position;
  }

  override flag(): boolean {
    const at = this.bitsStart + (this.used >>> 3);
    const bit = 1 << (this.used & 7);
    this.used++;
    return at < this.bitsEnd && (this.buffer[at]! & bit) !== 0;
  }

  protected override get free(): number {
    return FREE_ENTRIES + (this.bitsEnd - this.bitsStart) * 8;
  }
}
