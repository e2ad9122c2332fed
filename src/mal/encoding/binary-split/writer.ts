import { VariableWriter } from '../binary-variable/writer.js';
import { varintOf } from '../varint.js';

/**
 * As variable, with all flags of the message in a bit field before it: length of the field in bytes, then the bits, lowest first,
 * up to the last one that is set.
 */
export class SplitWriter extends VariableWriter {
  private bits = Buffer.alloc(16);
  private used = 0;
  /** Bytes up to the last set bit. */
  private size = 0;

  override flag(value: boolean): void {
    if (value) {
      const at = this.used >>> 3;
      if (at >= this.bits.length) this.bits = Buffer.concat([this.bits], Math.max(at + 1, this.bits.length * 2));
      this.bits[at]! |= 1 << (this.used & 7);
      this.size = at + 1;
    }
    this.used++;
  }

  override finish(): Uint8Array[] {
    return [varintOf(BigInt(this.size)), this.bits.subarray(0, this.size), ...super.finish()];
  }
}
