import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered, kindSince, numberedTables } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import type { ProductMapper } from '../../src/mapping/index.js';
import { entryOf, type FileRow, refOf } from './entry.js';
import type { ArchiveTables } from './tables.js';

const TABLES = { state: 'archive_state', complete: 'scanned_at', rows: 'archive_file' } as const;

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
    { ...numberedTables(db, backend, TABLES), change: (row, since) => changeOf(row, since, mapper) },
    request,
    waker,
    signal,
  );

const changeOf = (row: FileRow, since: bigint, mapper: ProductMapper): Change =>
  row.kind === 'product'
    ? { kind: kindSince(row, since), entry: entryOf(row, mapper) }
    : { kind: 'removed', ref: refOf(row) };
