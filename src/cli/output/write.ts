import { once } from 'node:events';

/** Writes and waits while the reader is slow, so that memory stays small. */
export async function write(stream: NodeJS.WritableStream, chunk: string | Uint8Array): Promise<void> {
  if (!stream.write(chunk)) await once(stream, 'drain');
}
