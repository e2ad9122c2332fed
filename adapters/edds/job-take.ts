import { type Kysely, sql } from 'kysely';
import type { ArrivedPart } from './arrivals.js';
import type { Comparison } from './compare.js';
import type { ProductRow } from './entry.js';
import type { JobRow } from './job.js';
import type { JobsOptions } from './job-options.js';
import { coveredBy, startOf } from './job-times.js';
import { repeated, without } from './overlap.js';
import { partKey, type StoredPart } from './parts.js';
import type { Seam } from './seam.js';
import { summarise } from './summary.js';
import type { EddsTables } from './tables.js';

/** Takes parts of jobs into the index, without what came before. */
export function partTaker(options: JobsOptions, compare: Comparison, meeting: Seam) {
  const { db, backend, submitter, cache, index, clock } = options;
  /** Parts of the past that the stream after them has to come up to. */
  const waiting = new Map<bigint, StoredPart>();

  /** Packets of the same selection that were delivered since the fill begins. */
  const delivered = async (job: JobRow, signal: AbortSignal): Promise<Set<string>> => {
    const parts = await compare
      .partsOf(job.selection)
      .where('j.id', '<>', job.id)
      .where('j.purpose', '<>', 'past')
      .where(sql<boolean>`j.made_for is not distinct from ${job.made_for}`)
      .where('p.created_ns', '>=', job.begin_ns)
      .execute();
    return compare.keysOf(parts, signal);
  };

  /** Whose a part is that holds data from this time on: of its one order, of those whose past it is, or of all that want it. */
  const ownersOf = async (
    trx: Kysely<EddsTables>,
    job: JobRow,
    orders: readonly string[],
    from: bigint,
  ): Promise<Record<string, string>> => {
    if (job.made_for !== null) return { 'part.madeFor': job.made_for };
    if (job.purpose === 'past') return { 'part.madeFor': orders.join(',') };
    if (orders.length === 0) return { 'part.joinedBy': '' };
    const joined = await trx
      .selectFrom('edds_order')
      .select('order_id')
      .where('backend', '=', backend)
      .where('order_id', 'in', orders)
      .where('past', '=', true)
      .where((eb) => eb.or([eb('until_ns', 'is', null), eb('until_ns', '>=', from)]))
      .execute();
    return { 'part.joinedBy': joined.map(({ order_id }) => order_id).join(',') };
  };

  /** Whether it could be taken; a part that has to wait is kept. */
  const take = async (
    job: JobRow,
    row: ProductRow,
    received: StoredPart | ArrivedPart,
    signal: AbortSignal,
  ): Promise<boolean> => {
    submitter.verify(job.request_id!, job.name, received.fileName);
    let part = received;
    const dropped =
      job.purpose === 'fill'
        ? await repeated(part.file, await delivered(job, signal))
        : job.purpose === 'past'
          ? await meeting.drop(job, part, signal)
          : '';
    if (dropped === null) {
      waiting.set(job.id, part);
      return false;
    }
    waiting.delete(job.id);
    if (dropped !== '') {
      const key = partKey(job.request_id!, part.ordinal);
      part = { ...part, file: await without(cache, key, part.file, dropped) };
    }
    const summary = await summarise(part);
    const ordinal = part.ordinal;
    const made = part.creationTime ?? clock();
    const covered = coveredBy(job, made, options.period);
    const step = (trx: Kysely<EddsTables>) =>
      trx
        .updateTable('edds_job')
        .set({ parts: ordinal, covered_ns: covered, elements: sql`elements + ${summary.elements}` })
        .where('id', '=', job.id)
        .returning('orders')
        .executeTakeFirstOrThrow();
    const cut = 'cut' in received && received.cut !== null;
    if (summary.elements === 0 && !job.placed) {
      await step(db);
      return true;
    }
    const record = {
      ...row.record,
      'part.requestId': job.request_id!,
      'part.number': ordinal,
      'part.elements': summary.elements,
      'part.unreadable': summary.problems,
      ...(summary.fault !== null && { 'part.fault': summary.fault }),
      'part.purpose': job.purpose,
      ...(job.placed && { 'part.placedFor': job.made_for! }),
      ...(dropped !== '' && { 'part.dropped': dropped }),
    };
    await index.part(
      {
        key: part.fileName,
        product_type: row.product_type,
        record: JSON.stringify(record),
        created_ns: made,
        updated_ns: made,
        content_start_ns: summary.first ?? made,
        content_end_ns: summary.last ?? made,
        // Of what is cut off nothing is said but that it is there.
        size: cut ? null : BigInt(part.file.bytes),
        mime: part.contentType ?? 'text/xml',
        revision: part.fileName,
        sha256: cut ? null : part.file.sha256,
        request_id: job.request_id,
        ordinal,
      },
      async (trx) => {
        const { orders } = await step(trx);
        const from = startOf(job, made, covered, options);
        return { record: JSON.stringify({ ...record, ...(await ownersOf(trx, job, orders, from)) }) };
      },
    );
    return true;
  };

  /** A part that waits to be taken, as long as it is there. */
  const kept = async (job: JobRow): Promise<StoredPart | null> => {
    const part = waiting.get(job.id);
    if (part?.ordinal !== job.parts + 1) return null;
    return (await cache.get(partKey(job.request_id!, part.ordinal))) === null ? null : part;
  };

  return {
    take,
    kept,
    forget: (job: JobRow): void => void waiting.delete(job.id),
  };
}

export type PartTaker = ReturnType<typeof partTaker>;
