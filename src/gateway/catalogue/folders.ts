import { type Kysely, sql } from 'kysely';
import { invalid } from '../../mpd/index.js';
import type { FolderPage } from '../api.js';
import type { Entry } from '../backend.js';
import type { CoreTables } from '../schema.js';
import { type EntryColumns, entryOf } from '../values.js';

type Row = EntryColumns & { readonly id: bigint; readonly path: string };

/** Rows read in one step inside a folder before it is known that something there may be seen. */
const STEP = 200;

/**
 * One level of the folder view, in path order. Walks the path index of the journal and jumps over what lies deeper, so the
 * work grows with what is shown, not with what is stored.
 * @param page.after the last path (or folder with its `/`) of the page before
 */
export async function listFolder(
  db: Kysely<CoreTables>,
  path: string,
  page: { readonly after?: string; readonly limit: number; readonly signal: AbortSignal },
  allows: (entry: Entry) => boolean,
): Promise<FolderPage> {
  if (path.split('/').some((part) => part === '..' || part === '.'))
    throw invalid('path', 'must not hold "." or ".." parts');
  const prefix = path === '' || path.endsWith('/') ? path.replace(/^\/+/, '') : `${path.replace(/^\/+/, '')}/`;
  if (page.after !== undefined && !page.after.startsWith(prefix))
    throw invalid('cursor', 'is not a cursor of this folder');
  const folders: string[] = [];
  const entries: Entry[] = [];
  let last = page.after !== undefined ? afterOf(page.after) : { path: prefix, id: 0n };
  for (;;) {
    page.signal.throwIfAborted();
    const rows = await readPaths(db, prefix, last, STEP);
    if (rows.length === 0) return { path: prefix, folders, entries, next: null };
    for (const row of rows) {
      const slash = row.path.indexOf('/', prefix.length);
      if (slash < 0) {
        const entry = entryOf(row);
        last = { path: row.path, id: row.id };
        if (!allows(entry)) continue;
        entries.push(entry);
      } else {
        const folder = row.path.slice(0, slash + 1);
        last = pastFolder(folder);
        if (!(await holdsVisible(db, folder, allows, page.signal))) break;
        folders.push(folder.slice(prefix.length, -1));
      }
      if (folders.length + entries.length >= page.limit) {
        const more = await readPaths(db, prefix, last, 1);
        const next = more.length === 0 ? null : slash < 0 ? row.path : row.path.slice(0, slash + 1);
        return { path: prefix, folders, entries, next };
      }
      if (slash >= 0) break;
    }
  }
}

const MAX_ID = 2n ** 63n - 1n;
const afterOf = (after: string) => (after.endsWith('/') ? pastFolder(after) : { path: after, id: MAX_ID });
/** `/` is followed by `0` in byte order: everything below the folder lies before. */
const pastFolder = (folder: string) => ({ path: `${folder.slice(0, -1)}0`, id: 0n });

async function holdsVisible(
  db: Kysely<CoreTables>,
  folder: string,
  allows: (entry: Entry) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  for (let last = { path: folder, id: 0n }; ; ) {
    signal.throwIfAborted();
    const rows = await readPaths(db, folder, last, STEP);
    if (rows.some((row) => allows(entryOf(row)))) return true;
    const end = rows.at(-1);
    if (!end) return false;
    last = { path: end.path, id: end.id };
  }
}

async function readPaths(
  db: Kysely<CoreTables>,
  prefix: string,
  last: { readonly path: string; readonly id: bigint },
  limit: number,
): Promise<readonly Row[]> {
  const end = prefix === '' ? sql`` : sql`and path < ${pastFolder(prefix).path} collate "C"`;
  const { rows } = await sql<Row>`
    select id, metadata, revision, updated_ns, path, file_name, claim_algorithm, claim_value
    from journal
    where current and removed_at is null and (path, id) > (${last.path} collate "C", ${last.id}::bigint) ${end}
    order by path, id limit ${limit}`.execute(db);
  return rows;
}
