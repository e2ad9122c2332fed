import { NO_BYTES, Sink } from './bytes.js';
import type { Fragment, Mark } from './encoding.js';

/** What every binary encoding does alike with the message as a whole, whatever its numbers look like. */
export abstract class ByteWriter {
  protected readonly sink: Sink;

  constructor(size?: number) {
    this.sink = new Sink(size);
  }

  mark(): Mark {
    return { bytes: this.sink.length, flags: 0 };
  }
  since(mark: Mark): Fragment | null {
    const bytes = this.sink.copyFrom(mark.bytes);
    return bytes && { bytes, flags: NO_BYTES, flagCount: 0 };
  }
  splice({ bytes }: Fragment): void {
    this.sink.append(bytes);
  }
  finish(): Uint8Array[] {
    return this.sink.finish();
  }
}
