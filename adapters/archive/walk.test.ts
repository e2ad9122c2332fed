import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareUtf8 } from '../../src/mal/index.js';
import { nameMatcher } from './names.js';
import { successor } from './query.js';
import { archiveRoot } from './root.js';
import { settleQueue } from './settle.js';
import { temporaryFolder } from './testing.js';
import { walk } from './walk.js';

const name = fc.constantFrom('a', 'a.b', 'a-', 'A', 'b', 'é', '0', ' x', '\u{10000}', '\uff5e', "'", '~z');

it('a tree is walked in the byte order of its paths, each file once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { maxLength: 30 }), async (paths) => {
      const folder = await temporaryFolder();
      const files = new Set<string>();
      for (const parts of paths) {
        const path = parts.join('/');
        const clash = [...files].some(
          (file) => file === path || file.startsWith(`${path}/`) || path.startsWith(`${file}/`),
        );
        if (clash) continue;
        files.add(path);
        await mkdir(dirname(join(folder.path, path)), { recursive: true });
        await writeFile(join(folder.path, path), path);
      }
      const seen: string[] = [];
      const options = {
        ignored: () => false,
        onFolder: () => undefined,
        onUnreadable: (path: string, error: Error) => expect.fail(`${path}: ${error.message}`),
        onRefused: (path: string) => expect.fail(path),
        signal: new AbortController().signal,
      };
      const root = archiveRoot(folder.path, { allowEmpty: false, marker: null });
      for await (const chunk of walk(root, '', options)) seen.push(...chunk.map(({ path }) => path));
      expect(seen).toEqual([...files].sort(compareUtf8));
      await folder.remove();
    }),
    { numRuns: 30 },
  );
});

it.each([
  [
    ['*.tmp', '.*', '*~'],
    ['a.tmp', '.x', '.', 'b~', '.tmp'],
    ['a.tmpx', 'x.y', '~b', 'tmp'],
  ],
  [
    ['a?c', 'x+(y)'],
    ['abc', 'a\u{1f6f0}c', 'x+(y)'],
    ['ac', 'abbc', 'xxy'],
  ],
  [['[a]-*/'], ['[a]-1/'], ['a-1/']],
  [[], [], ['a', '']],
])('names are matched whole by %j', (patterns, matching, others) => {
  const matches = nameMatcher(patterns);
  expect(matching.filter(matches)).toEqual(matching);
  expect(others.filter(matches)).toEqual([]);
});

it('the successor of a prefix lies above all that starts with it and below all else that is above it', () => {
  const edges = ['\0', 'a', 'b', '\x7f', '\x80', '\u07ff', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
  const text = fc.array(fc.constantFrom(...edges), { maxLength: 4 }).map((points) => points.join(''));
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = successor(prefix);
      if (end === null) return;
      expect(compareUtf8(prefix + other, end)).toBeLessThan(0);
      const isBelow = compareUtf8(other, prefix) >= 0 && compareUtf8(other, end) < 0;
      expect(isBelow).toBe(other.startsWith(prefix));
    }),
    { numRuns: 2000 },
  );
});

it('a file waits anew with every change and comes out in the order of settling', () => {
  const stat = (size: bigint) => ({ size, mtimeNs: 1n, ctimeNs: 1n, inode: 1n });
  const queue = settleQueue(100);
  queue.see('a', stat(1n), 0);
  queue.see('b', stat(1n), 10);
  queue.see('a', stat(2n), 50);
  queue.see('b', stat(1n), 60);
  expect(queue.due()).toBe(110);
  expect(queue.take(109, 9)).toEqual([]);
  expect(queue.take(110, 9).map(({ path }) => path)).toEqual(['b']);
  expect(queue.take(150, 9)).toEqual([{ path: 'a', stat: stat(2n), since: 50 }]);
  expect([queue.due(), queue.size]).toEqual([null, 0]);
});
