import type { ServerResponse } from 'node:http';
import { write } from './writer.js';

export const NDJSON = 'application/x-ndjson';

export interface LineWriter {
  /** Adds a line, JSON without a line break; sends once enough has come together, and only then is there something to wait for. */
  line(json: string): Promise<void> | undefined;
  flush(): Promise<void>;
}

/** Lines of JSON, gathered into pieces of about `gather` bytes (0: each line at once). */
export function lineWriter(
  res: ServerResponse,
  options: { readonly signal: AbortSignal; readonly stallMs: number; readonly gather: number },
): LineWriter {
  const { gather } = options;
  let piece = EMPTY;
  let length = 0;
  /** One that is sent: new ones all the time would wait for the garbage collector by the hundred. */
  let spare = EMPTY;
  const flush = async (): Promise<void> => {
    if (length === 0) return;
    const full = piece;
    const bytes = full.subarray(0, length);
    // The connection may hold it until it is sent: the next lines go into another.
    piece = EMPTY;
    length = 0;
    await write(res, bytes, options, () => {
      if (full.length === gather + ROOM) spare = full;
    });
  };
  return {
    line(json) {
      // Each line as bytes at once: one long text of many joined ones is several times as slow to turn into bytes.
      const most = json.length * 3 + 1;
      if (length > 0 && length + most > piece.length) return flush().then(() => put(json, most));
      return put(json, most);
    },
    flush,
  };

  function put(json: string, most: number): Promise<void> | undefined {
    if (piece.length === 0) {
      piece = spare.length >= most ? spare : Buffer.allocUnsafeSlow(Math.max(gather + ROOM, most));
      spare = EMPTY;
    }
    length += piece.write(json, length);
    piece[length++] = LINE_FEED;
    return length >= gather ? flush() : undefined;
  }
}

const EMPTY = Buffer.alloc(0);
const LINE_FEED = 10;
/** For the line that fills a piece. */
const ROOM = 32 * 1024;

export function startLines(res: ServerResponse): void {
  res.writeHead(200, { 'Content-Type': NDJSON, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
}
