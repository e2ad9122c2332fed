import type { ServerResponse } from 'node:http';
import { write } from './writer.js';

export interface EventWriter {
  event(event: { readonly id?: string; readonly name: string; readonly data: string }): Promise<void>;
  /** Sets the id that a client resumes from, without an event. */
  position(id: string): Promise<void>;
  comment(text: string): Promise<void>;
}

/** Server-sent events (WHATWG HTML §9.2). `retry` tells clients to come back after a second. */
export async function startEvents(
  res: ServerResponse,
  options: { readonly signal: AbortSignal; readonly stallMs: number },
): Promise<EventWriter> {
  res.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  const send = (text: string): Promise<void> => write(res, text, options);
  await send('retry: 1000\n\n');
  const field = (text: string): string => text.replaceAll(/[\r\n\0]/g, ' ');
  return {
    event: ({ id, name, data }) =>
      send(
        `${id === undefined ? '' : `id: ${field(id)}\n`}event: ${field(name)}\n${data
          .split('\n')
          .map((line) => `data: ${line}`)
          .join('\n')}\n\n`,
      ),
    position: (id) => send(`id: ${field(id)}\n\n`),
    comment: (text) => send(`: ${field(text)}\n\n`),
  };
}
