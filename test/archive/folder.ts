import { mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatTime } from '../../src/mal/index.js';
import type { BackendFixture } from '../conformance/index.js';

/** Products of a conformance fixture as files of an archive that reads sidecars, `<file>.meta.json`. */
export function productFolder(root: string): Pick<BackendFixture, 'put' | 'remove' | 'touch'> {
  let count = 0;
  /** As a careful producer does it: under another name until it is complete. */
  const place = async (path: string, bytes: Uint8Array | string, seconds?: number): Promise<void> => {
    const temporary = join(root, `.put-${count++}.tmp`);
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(temporary, bytes);
    if (seconds !== undefined) await utimes(temporary, seconds, seconds);
    await rename(temporary, join(root, path));
  };
  return {
    async put(key, bytes, { created, content, source, fields } = {}) {
      if (content !== undefined || source !== undefined || fields !== undefined) {
        const contentDate = content && { start: formatTime(content.start), end: formatTime(content.end) };
        await place(`${key}.meta.json`, JSON.stringify({ contentDate, source, fields }));
      }
      await place(key, bytes, created === undefined ? undefined : Number(created / 1_000_000_000n));
    },
    remove: (key) => rm(join(root, key)),
    touch: (key) => place(`${key}.meta.json`, JSON.stringify({ description: `touched ${count}` })),
  };
}
