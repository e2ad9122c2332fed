import { LARGEST_MESSAGE, LENGTH_BYTES, SMALLEST_MESSAGE } from './header.js';

export interface FrameEvents {
  /** While true, messages that are already here are held back; {@link Frames.resume} goes on. */
  readonly held: () => boolean;
  /** A whole message, length included. */
  readonly frame: (frame: Buffer) => void;
  /** The beginning of a message that is too long; its remaining bytes are skipped. */
  readonly tooLong: (length: number, start: Buffer) => void;
  /** More, or fewer, bytes are kept of unfinished messages; false: no more may be kept, and nothing more is read. */
  readonly keep: (bytes: number) => boolean;
  /** The stream is no sequence of messages; nothing more is read. */
  readonly broken: (reason: string) => void;
}

const NOTHING = Buffer.alloc(0);

/** That layout begins with version 1 and one of 22 SDU types, ours with the upper byte of a length. */
const isB1 = (start: Buffer): boolean => start[0]! >= 0x20 && start[0]! <= 0x35;

/** Kept of a message that is too long: enough for its header. */
const KEPT_START = 8192;

/** Cuts a byte stream into messages; holds no more than what has come, and checks a length before it waits for so much. */
export class Frames {
  private pieces: Buffer[] = [];
  private size = 0;
  /** Length of the message that is coming in; 0 when its length is not known yet. */
  private length = 0;
  private skipping = 0;
  private broken = false;
  private rest: Buffer | null = null;

  constructor(
    private readonly longest: number,
    private readonly events: FrameEvents,
  ) {}

  /** Whether the stream is in the middle of a message. */
  get partial(): boolean {
    return this.size > 0 || this.skipping > 0;
  }

  push(chunk: Buffer): void {
    let rest = this.rest === null ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = null;
    while (rest.length > 0 && !this.broken) {
      if (this.events.held()) {
        this.rest = rest;
        return;
      }
      if (this.skipping > 0) {
        const skipped = Math.min(this.skipping, rest.length);
        this.skipping -= skipped;
        rest = rest.subarray(skipped);
      } else if (this.size === 0 && rest.length >= LENGTH_BYTES && this.whole(rest)) {
        const { length } = this;
        this.length = 0;
        this.events.frame(rest.subarray(0, length));
        rest = rest.subarray(length);
      } else if (!this.broken) {
        rest = this.collect(rest);
      }
    }
  }

  resume(): void {
    if (this.rest !== null) this.push(NOTHING);
  }

  /** Reads the length; whether the whole message is in the chunk. */
  private whole(chunk: Buffer): boolean {
    return this.readLength(chunk) && this.length <= this.longest && chunk.length >= this.length;
  }

  private readLength(start: Buffer): boolean {
    this.length = start.readUInt32BE(0);
    if (this.length >= SMALLEST_MESSAGE && this.length <= LARGEST_MESSAGE) return true;
    this.fail(
      isB1(start)
        ? 'this looks like the layout of CCSDS 524.2-B-1, which is not spoken here'
        : `no message has ${this.length} bytes`,
    );
    return false;
  }

  /** Takes from the chunk what the message under way still lacks; gives back the rest. */
  private collect(chunk: Buffer): Buffer {
    const wanted =
      this.length === 0 ? LENGTH_BYTES : Math.min(this.length, this.longest < this.length ? KEPT_START : this.length);
    const taken = chunk.subarray(0, wanted - this.size);
    this.pieces.push(taken);
    this.size += taken.length;
    if (!this.events.keep(taken.length)) {
      this.fail('too many unfinished messages at a time');
      return NOTHING;
    }
    if (this.size === wanted) {
      const message = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces, this.size);
      if (this.length === 0) {
        this.pieces = [message];
        this.readLength(message);
      } else {
        this.finish(message);
      }
    }
    return chunk.subarray(taken.length);
  }

  /** Lets go of what is kept. */
  release(): void {
    this.events.keep(-this.size);
    this.pieces = [];
    this.size = 0;
  }

  private fail(reason: string): void {
    this.broken = true;
    this.events.broken(reason);
  }

  private finish(message: Buffer): void {
    const { length } = this;
    this.events.keep(-this.size);
    this.pieces = [];
    this.size = 0;
    this.length = 0;
    if (length <= this.longest) {
      this.events.frame(message);
    } else {
      this.skipping = length - message.length;
      this.events.tooLong(length, message);
    }
  }
}
