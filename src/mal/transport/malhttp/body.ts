import type { IncomingMessage as HttpMessage } from 'node:http';

/**
 * Reads a whole HTTP body, checking its announced length first.
 * @returns null when it is longer than `limit` or ends early
 */
export function readBody(message: HttpMessage, limit: number): Promise<Buffer | null> {
  const announced = Number(message.headers['content-length'] ?? 0);
  if (announced > limit) {
    message.resume();
    return Promise.resolve(null);
  }
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let size = 0;
    message.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= limit) pieces.push(piece);
      else message.destroy();
    });
    message.on('end', () => resolve(Buffer.concat(pieces, size)));
    message.on('error', () => resolve(null));
    message.on('close', () => resolve(null));
  });
}
