import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered, kindSince, numberedTables } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import { type EntryContext, entryOf, type ProductRow, refOf } from './entry.js';
import type { EddsTables } from './tables.js';

const TABLES = { state: 'edds_state', complete: 'read_at', rows: 'edds_product' } as const;

/** Changes of the products behind the cursor; first contact waits for the first reading of the catalogue. */
export const followProducts = (
  db: Kysely<EddsTables>,
  backend: string,
  context: EntryContext,
  request: FollowRequest,
  waker: Waker,
  signal: AbortSignal,
): Promise<FollowResult> =>
  followNumbered<ProductRow>(
    { ...numberedTables(db, backend, TABLES), change: (row, since) => changeOf(context, row, since) },
    request,
    waker,
    signal,
  );

const changeOf = (context: EntryContext, row: ProductRow, since: bigint): Change =>
  row.kind === 'removed'
    ? { kind: 'removed', ref: refOf(context, row) }
    : { kind: kindSince(row, since), entry: entryOf(context, row) };
