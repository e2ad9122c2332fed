import type { Kysely } from 'kysely';
import type { Change, Checksum, FollowRequest, FollowResult } from '../../src/gateway/backend.js';
import { followNumbered } from '../../src/gateway/numbered-feed.js';
import type { Waker } from '../../src/gateway/waker.js';
import { entryOf, type ProductRow, refOf } from './entry.js';
import type { MpdTables } from './tables.js';

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
    {
      async newest() {
        const state = await db
          .selectFrom('mpd_state')
          .select(['seq', 'read_at'])
          .where('backend', '=', backend)
          .executeTakeFirst();
        return state?.read_at ? state.seq : null;
      },
      read: (since, limit) =>
        db
          .selectFrom('mpd_product')
          .selectAll()
          .where('backend', '=', backend)
          .where('seq', '>', since)
          .orderBy('seq')
          .limit(limit)
          .execute(),
      change: (row, since) => changeOf(row, since, algorithm),
    },
    request,
    waker,
    signal,
  );

function changeOf(row: ProductRow, since: bigint, algorithm: Checksum['algorithm'] | null): Change {
  if (row.removed_at !== null) return { kind: 'removed', ref: refOf(row) };
  const kind =
    row.born_seq > since
      ? 'new'
      : row.content_seq > since
        ? 'updated'
        : row.again_seq > since
          ? 'republished'
          : 'touched';
  return { kind, entry: entryOf(row, algorithm) };
}
