import type { ServerResponse } from 'node:http';
import { MpdError } from '../../../mpd/index.js';

/**
 * Writes with back-pressure: resolves when the connection takes more. A reader that takes nothing for `stallMs` loses its connection.
 * @param sent called when the chunk is no longer needed, or never
 * @throws the signal's reason, or MpdError Destination Lost when the client has left
 */
export async function write(
  res: ServerResponse,
  chunk: string | Uint8Array,
  options: { readonly signal: AbortSignal; readonly stallMs: number },
  sent?: () => void,
): Promise<void> {
  options.signal.throwIfAborted();
  if (res.destroyed || res.closed) throw clientLeft();
  if (res.write(chunk, sent)) return;
  await drained(res, options);
}

async function drained(
  res: ServerResponse,
  { signal, stallMs }: { readonly signal: AbortSignal; readonly stallMs: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: unknown): void => {
      clearInterval(timer);
      res.off('drain', ready).off('close', gone);
      signal.removeEventListener('abort', aborted);
      if (error === undefined) resolve();
      else reject(error);
    };
    const ready = (): void => settle();
    const gone = (): void => settle(clientLeft());
    const aborted = (): void => settle(signal.reason);
    let taken = -1;
    const timer = setInterval(() => {
      const now = res.socket?.bytesWritten ?? 0;
      const queued = now - (res.socket?.writableLength ?? 0);
      if (queued === taken) settle(stalled());
      taken = queued;
    }, stallMs);
    timer.unref();
    res.on('drain', ready).on('close', gone);
    signal.addEventListener('abort', aborted, { once: true });
  });
}

export const clientLeft = (): MpdError =>
  new MpdError('Destination Lost', { class: 'refuse', message: 'the client has left' });
const stalled = (): MpdError =>
  new MpdError('Destination Lost', { class: 'refuse', message: 'the client takes nothing any more' });
