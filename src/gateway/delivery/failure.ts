import type { Kysely } from 'kysely';
import { isMpdError } from '../../mpd/index.js';
import type { Backend } from '../backend.js';
import type { CoreTables } from '../schema.js';
import { domainOf, productRef } from '../values.js';
import { type Backoff, backoffMs } from './backoff.js';
import type { Ended, Outcome } from './outcome.js';
import type { Claimed } from './rows.js';
import type { TransferError } from './transfer.js';

export interface FailureContext {
  readonly db: Kysely<CoreTables>;
  readonly backend: Backend;
  readonly backoff: Backoff;
  readonly random: () => number;
  readonly bytes: number;
  readonly signal: AbortSignal;
}

/** What becomes of a row whose transfer failed. */
export async function outcomeOf(error: TransferError, claimed: Claimed, context: FailureContext): Promise<Outcome> {
  const { row, path, filename } = claimed;
  const { fault, side } = error;
  const base = { row, path, filename, cause: fault.message, bytes: context.bytes };
  if (side === 'held') {
    const cause = `${fault.message}; held, redrive it to deliver it all the same`;
    return { ...base, kind: 'ended', state: 'dead', errorClass: 'held', sourceCheck: 'mismatch', cause };
  }
  if (side === 'source' && fault.code === 'Unknown') {
    const gone = await goneState(claimed, context);
    if (gone !== null) return { ...base, kind: 'ended', errorClass: null, ...gone };
  }
  const delayMs = backoffMs(row.attempts + 1, context.backoff, context.random);
  const again = { ...base, kind: 'postponed' as const, errorClass: fault.class };
  switch (fault.class) {
    case 'target-down':
      return { ...again, reason: 'wait', delayMs: 0 };
    case 'retryAfter':
      return { ...again, reason: 'attempt', delayMs: Math.max(delayMs, fault.retryAfterMs ?? 0) };
    case 'retry':
      return { ...again, reason: 'attempt', delayMs };
    default:
      if (side === 'source' && fault.code === 'Unknown')
        return { ...again, errorClass: 'retry', reason: 'attempt', delayMs };
      return { ...base, kind: 'ended', state: 'dead', errorClass: fault.class };
  }
}

/** Why a revision is no longer to be had; null when the backend contradicts itself, which passes. */
async function goneState(
  { row }: Claimed,
  { db, backend, signal }: FailureContext,
): Promise<Pick<Ended, 'state' | 'cause'> | null> {
  const current = await db
    .selectFrom('journal')
    .select(['revision', 'removed_at'])
    .where('backend', '=', row.backend)
    .where('domain', '=', row.domain)
    .where('key', '=', row.key)
    .where('current', '=', true)
    .executeTakeFirst();
  const replaced = { state: 'superseded', cause: 'the product has newer content' } as const;
  if (current?.removed_at) return { state: 'withdrawn', cause: 'the product was removed from its backend' };
  if (current !== undefined && current.revision !== row.revision) return replaced;
  const ref = productRef(domainOf(row.domain), row.key, Number(row.version));
  const [now] = await backend.get([ref], signal).catch((error) => {
    if (isMpdError(error)) return [null];
    throw error;
  });
  if (now === null || now === undefined) return null;
  if (now !== 'unknown') return now.revision === row.revision ? null : replaced;
  return { state: 'withdrawn', cause: 'the product is no longer at its backend with the content that was matched' };
}
