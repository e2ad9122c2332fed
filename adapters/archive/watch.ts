import { type FSWatcher, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { joinPath } from './names.js';

/** Watches folders one by one (a watch a file, as recursive watchers set them, would not do for large trees). */
export interface FolderWatcher {
  /** Does nothing when this very folder is watched; one that was replaced under the same name gets a new watch. */
  add(folder: string): void;
  /** Ends the watches of a folder and all below: it went away or became another one. */
  drop(folder: string): void;
  readonly count: number;
  close(): void;
}

/** @param onChange a path that may be new, changed or gone; the folder itself when the system does not say which */
export function folderWatcher(root: string, onChange: (path: string) => void, log: Logger): FolderWatcher {
  const watchers = new Map<string, { readonly watcher: FSWatcher; readonly inode: bigint }>();
  let exhausted = false;
  const end = (folder: string): void => {
    watchers.get(folder)?.watcher.close();
    watchers.delete(folder);
  };
  return {
    add(folder) {
      if (exhausted) return;
      try {
        const { ino: inode } = statSync(join(root, folder), { bigint: true });
        if (watchers.get(folder)?.inode === inode) return;
        end(folder);
        const watcher = watch(join(root, folder), { persistent: false }, (_event, name) => {
          onChange(name === null ? folder : joinPath(folder, name));
        });
        watcher.on('error', () => {
          if (watchers.get(folder)?.watcher === watcher) end(folder);
          onChange(folder);
        });
        watchers.set(folder, { watcher, inode });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOSPC' && code !== 'EMFILE') return;
        exhausted = true;
        log.warn(
          { watched: watchers.size, code },
          'the system allows no more watches (fs.inotify.max_user_watches): changes in further folders are found by the sweep alone',
        );
      }
    },
    drop(folder) {
      for (const known of [...watchers.keys()]) {
        if (known === folder || known.startsWith(`${folder}/`)) end(known);
      }
    },
    get count() {
      return watchers.size;
    },
    close() {
      for (const folder of [...watchers.keys()]) end(folder);
    },
  };
}
