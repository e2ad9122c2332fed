import type { ServerResponse } from 'node:http';
import type { Json } from '../../../client/http/wire/index.js';
import { write } from './writer.js';

export const NDJSON = 'application/x-ndjson';

export interface LineWriter {
  /** Adds a line; sends once enough has come together. */
  line(value: Json): Promise<void>;
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
    async line(value) {
      held += `${JSON.stringify(value)}\n`;
      if (held.length >= options.gather) await flush();
    },
    flush,
  };
}

export function startLines(res: ServerResponse): void {
  res.writeHead(200, { 'Content-Type': NDJSON, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  res.flushHeaders();
}
