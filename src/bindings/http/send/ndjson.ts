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
  let held = '';
  const flush = async (): Promise<void> => {
    if (held === '') return;
    const piece = held;
    held = '';
    await write(res, piece, options);
  };
  return {
    line(json) {
      held += `${json}\n`;
      return held.length >= options.gather ? flush() : undefined;
    },
    flush,
  };
}

export function startLines(res: ServerResponse): void {
  res.writeHead(200, { 'Content-Type': NDJSON, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
}
