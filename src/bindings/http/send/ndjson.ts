import type { ServerResponse } from 'node:http';
import { type Shape, writeJson } from '../../../client/http/wire/index.js';
import { JsonOut, type KnownJson } from '../../../mal/index.js';
import { write } from './writer.js';

export const NDJSON = 'application/x-ndjson';

export interface LineWriter {
  /** Adds a line; sends once enough has come together, and only then is there something to wait for. */
  line(text: string): Promise<void> | undefined;
  /** The same with the JSON of a value, after `lead`. */
  row<T>(shape: Shape<T>, value: T, lead?: string): Promise<void> | undefined;
  flush(): Promise<void>;
}

/**
 * Lines, gathered into pieces of about `gather` bytes (0: each line at once). `first`: the size of the first piece, from which they
 * grow, so that who waits for the beginning does not wait for much.
 */
export function lineWriter(
  res: ServerResponse,
  options: { readonly signal: AbortSignal; readonly stallMs: number; readonly gather: number; readonly first?: number },
): LineWriter {
  const { gather } = options;
  let enough = options.first ?? gather;
  const piece = new Piece(gather + ROOM);
  const flush = async (): Promise<void> => {
    const bytes = piece.take();
    enough = Math.min(gather, enough * 2);
    // The connection may hold it until it is sent: the next lines go into another.
    if (bytes !== null) await write(res, bytes, options, () => piece.giveBack(bytes));
  };
  const end = (): Promise<void> | undefined => {
    piece.text += '\n';
    piece.settle();
    return piece.length >= enough ? flush() : undefined;
  };
  return {
    line(text) {
      piece.text += text;
      return end();
    },
    row(shape, value, lead = '') {
      const { length } = piece;
      try {
        piece.text += lead;
        writeJson(shape, value, piece);
      } catch (error) {
        piece.text = '';
        piece.length = length;
        throw error;
      }
      return end();
    },
    flush,
  };
}

/** Lines as bytes at once: one long text of many joined ones is several times as slow to turn into bytes. */
class Piece extends JsonOut {
  length = 0;
  #bytes: Buffer = EMPTY;
  /** One that is sent: new ones all the time would wait for the garbage collector by the hundred. */
  #spare: Buffer = EMPTY;
  readonly #size: number;

  constructor(size: number) {
    super();
    this.#size = size;
  }

  known({ bytes }: KnownJson): void {
    this.settle();
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.length);
    this.length += bytes.length;
  }

  settle(): void {
    this.#reserve(this.text.length * 3);
    this.length += this.#bytes.write(this.text, this.length);
    this.text = '';
  }

  /** What has come together; null = nothing. */
  take(): Buffer | null {
    if (this.length === 0) return null;
    const bytes = this.#bytes.subarray(0, this.length);
    this.#bytes = EMPTY;
    this.length = 0;
    return bytes;
  }

  giveBack({ buffer }: Buffer): void {
    if (buffer.byteLength === this.#size) this.#spare = Buffer.from(buffer);
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const old = this.#bytes;
    const size = Math.max(this.#size, needed, old.length * 2);
    this.#bytes = size === this.#spare.length ? this.#spare : Buffer.allocUnsafeSlow(size);
    if (size === this.#spare.length) this.#spare = EMPTY;
    old.copy(this.#bytes, 0, 0, this.length);
  }
}

const EMPTY = Buffer.alloc(0);
/** For the line that fills a piece. */
const ROOM = 32 * 1024;

export function startLines(res: ServerResponse): void {
  res.writeHead(200, { 'Content-Type': NDJSON, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
}
