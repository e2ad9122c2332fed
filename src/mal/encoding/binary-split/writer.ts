import { VariableWriter } from '../binary-variable/writer.js';
import type { Fragment, Mark } from '../encoding.js';
import { varintOf } from '../varint.js';

/**
 * As variable, with all flags of the message in a bit field before it: length of the field in bytes, then the bits, lowest first,
 * up to the last one that is set.
 */
export class SplitWriter extends VariableWriter {
  override readonly encodingId = 2;
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

  override mark(): Mark {
    return { bytes: this.sink.length, flags: this.used };
  }

  override since(mark: Mark): Fragment | null {
    const bytes = this.sink.copyFrom(mark.bytes);
    if (bytes === null) return null;
    const flagCount = this.used - mark.flags;
    const flags = new Uint8Array((flagCount + 7) >>> 3);
    for (let i = 0; i < flagCount; i++) if (this.isSet(mark.flags + i)) flags[i >>> 3]! |= 1 << (i & 7);
    return { bytes, flags, flagCount };
  }

  override splice({ bytes, flags, flagCount }: Fragment): void {
    for (let i = 0; i < flagCount; i++) this.flag(((flags[i >>> 3]! >>> (i & 7)) & 1) === 1);
    this.sink.append(bytes);
  }

  private isSet(place: number): boolean {
    return place >>> 3 < this.bits.length && ((this.bits[place >>> 3]! >>> (place & 7)) & 1) === 1;
  }

  override finish(): Uint8Array[] {
    return [varintOf(BigInt(this.size)), this.bits.subarray(0, this.size), ...super.finish()];
  }
}
