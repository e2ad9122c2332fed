import { createHash } from 'node:crypto';
import { deliveryFailed } from '../../mpd/index.js';
import type { Placement } from '../placement.js';
import type { LandedFile } from './outcome.js';
import type { Claimed } from './rows.js';
import { untilAborted } from './source.js';

/**
 * Looks whether a file that the backend's system sends by itself has arrived, and whole. Delivery Failed of class `retry` as
 * long as it is not there or is cut off.
 */
export async function arrived(
  { row, destination: { target, uri }, filename }: Claimed,
  placement: Placement & { readonly kind: 'backend' },
  signal: AbortSignal,
  touch: (bytes: number) => void,
): Promise<LandedFile> {
  if (target.read === undefined)
    throw deliveryFailed(`${row.backend} sends ${filename} by itself, and what lies at this target cannot be read`);
  const found = await target.read(uri, filename, signal, async (file) => {
    const hash = createHash('sha256');
    let bytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of untilAborted(file.stream, signal)) {
        hash.update(chunk);
        bytes += chunk.length;
        touch(bytes);
        yield chunk;
      }
    }
    const problem = await placement.check(counted());
    return { problem, bytes, location: file.location, checksum: new Uint8Array(hash.digest()) };
  });
  if (found === null) throw deliveryFailed(`${filename} is not there; ${row.backend} sends it by itself`, 'retry');
  const { problem, ...landed } = found;
  if (problem !== null)
    throw deliveryFailed(`${filename}, which ${row.backend} sends by itself, is not whole: ${problem}`, 'retry');
  return { ...landed, filename, sourceCheck: 'none', targetCheck: 'complete' };
}
