import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { entryOf, type FileRow, refOf } from './entry.js';
import type { ArchiveTables } from './tables.js';

/** Changes of the files behind the cursor; first contact waits for the first complete scan. */
export const followFiles = (
  db: Kysely<ArchiveTables>,
  backend: string,
  mapper: ProductMapper,
  request: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> =>
  followNumbered<FileRow>(
    {
      async newest() {
        const state = await db
          .selectFrom('archive_state')
          .select(['seq', 'scanned_at'])
          .where('backend', '=', backend)
          .executeTakeFirst();
        return state?.scanned_at ? state.seq : null;
      },
      read: (since, limit) =>
        db
          .selectFrom('archive_file')
          .selectAll()
          .where('backend', '=', backend)
          .where('seq', '>', since)
          .orderBy('seq')
          .limit(limit)
          .execute(),
      change: (row, since) => changeOf(row, since, mapper),
    },
    request,
    waker,
    signal,
  );

function changeOf(row: FileRow, since: bigint, mapper: ProductMapper): Change {
  if (row.kind !== 'product') return { kind: 'removed', ref: refOf(row) };
  const kind = row.born_seq > since ? 'new' : row.content_seq > since ? 'updated' : 'touched';
  return { kind, entry: entryOf(row, mapper) };
}
