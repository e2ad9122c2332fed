import type { Kysely } from 'kysely';
import type { Change, Checksum, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered, kindSince, numberedTables } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import { entryOf, type ProductRow, refOf } from './entry.js';
import type { MpdTables } from './tables.js';

const TABLES = { state: 'mpd_state', complete: 'read_at', rows: 'mpd_product' } as const;

/** Changes of the products behind the cursor; first contact waits for the first reading of the provider. */
export const followProducts = (
  db: Kysely<MpdTables>,
  backend: string,
  algorithm: Checksum['algorithm'] | null,
  request: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> =>
  followNumbered<ProductRow>(
    { ...numberedTables(db, backend, TABLES), change: (row, since) => changeOf(row, since, algorithm) },
    request,
    waker,
    signal,
  );

const changeOf = (row: ProductRow, since: bigint, algorithm: Checksum['algorithm'] | null): Change =>
  row.removed_at === null
    ? { kind: kindSince(row, since), entry: entryOf(row, algorithm) }
    : { kind: 'removed', ref: refOf(row) };
