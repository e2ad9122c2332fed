import type { Kysely } from 'kysely';
import type { Change, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import { type EntryContext, entryOf, type ProductRow, refOf } from './entry.js';
import type { EddsTables } from './tables.js';

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
    {
      async newest() {
        const state = await db
          .selectFrom('edds_state')
          .select(['seq', 'read_at'])
          .where('backend', '=', backend)
          .executeTakeFirst();
        return state?.read_at ? state.seq : null;
      },
      read: (since, limit) =>
        db
          .selectFrom('edds_product')
          .selectAll()
          .where('backend', '=', backend)
          .where('seq', '>', since)
          .orderBy('seq')
          .limit(limit)
          .execute(),
      change: (row, since) => changeOf(context, row, since),
    },
    request,
    waker,
    signal,
  );

function changeOf(context: EntryContext, row: ProductRow, since: bigint): Change {
  if (row.kind === 'removed') return { kind: 'removed', ref: refOf(context, row) };
  const kind = row.born_seq > since ? 'new' : row.content_seq > since ? 'updated' : 'touched';
  return { kind, entry: entryOf(context, row) };
}
