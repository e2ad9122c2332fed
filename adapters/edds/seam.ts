import { type Kysely, sql } from 'kysely';
import { elementTime, type ResponseElement } from '../../src/formats/edds-response/index.js';
import { decodeHeader, ScosError } from '../../src/formats/scos2000/index.js';
import type { Comparison } from './compare.js';
import { nsOf } from './duration.js';
import type { ProductRow } from './entry.js';
import type { JobRow } from './job.js';
import { eachElement, elementKey, ordinalsOf } from './overlap.js';
import type { StoredPart } from './parts.js';
import { besidePast } from './past.js';
import type { EddsTables } from './tables.js';

export interface SeamOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly clock: () => bigint;
  readonly compare: Comparison;
  /** ns */
  readonly overlap: bigint;
  readonly partSeconds: number;
  /** ns */
  readonly lag: bigint;
}

/**
 * Where a request for the past and the stream after it meet. A request selects by filing time and a stream brings what arrives,
 * so packets that were filed before the seam and arrived about it are in both. They are left out of the past, which is made for
 * its orders alone. Only what was created from an overlap before the seam on is looked at; what was created later than an
 * overlap after it is the stream's without comparing.
 */
export function seam(options: SeamOptions) {
  const { db, backend, clock, compare, overlap } = options;
  /** When each stream was last looked at to its end, and when each request for the past was first seen made. */
  const lookedAt = new Map<bigint, bigint>();
  const madeAt = new Map<bigint, bigint>();
  const compared = new Map<bigint, ReadonlySet<string>>();

  /** Whether all that was there when the part was made has come through the stream by now, as far as it ever does. */
  const settled = async (job: JobRow, made: bigint): Promise<boolean> => {
    const open = await db
      .selectFrom('edds_job')
      .select(['id', 'purpose', 'covered_ns', 'looked_ns'])
      .where('backend', '=', backend)
      .where('selection', '=', job.selection)
      .where('done', '=', false)
      .where('purpose', 'in', ['stream', 'fill'])
      .where(sql<boolean>`orders ?| ${[...job.orders]}::text[]`)
      .execute();
    if (open.some(({ purpose }) => purpose === 'fill')) return false;
    const part = nsOf(options.partSeconds * 1000);
    const seen = madeAt.get(job.id) ?? clock();
    madeAt.set(job.id, seen);
    return open.every(({ id, covered_ns, looked_ns }) => {
      if (covered_ns >= made + part + options.lag) return true;
      return (lookedAt.get(id) ?? looked_ns ?? 0n) >= seen + 2n * part + options.lag;
    });
  };

  /** Whether the orders still get what the stream brings. */
  const streaming = async (job: JobRow): Promise<boolean> => {
    const ended = await db
      .selectFrom('edds_order')
      .select('order_id')
      .where('backend', '=', backend)
      .where('order_id', 'in', [...job.orders])
      .where('until_ns', '<', clock())
      .execute();
    return ended.length === 0;
  };

  const partsAfter = async (job: JobRow, on: boolean): Promise<ProductRow[]> => {
    const { joined_ns: joined } = job;
    const last = joined! + overlap + 2n * nsOf(options.partSeconds * 1000) + options.lag;
    let query = compare
      .partsOf(job.selection)
      .where('j.purpose', 'in', ['stream', 'fill'])
      .where('p.created_ns', '>=', job.covered_ns);
    if (on) query = query.where((eb) => eb.or([eb('j.purpose', '=', 'fill'), eb('p.created_ns', '<=', last)]));
    const rows = await query.execute();
    return rows.filter(({ record }) => {
      const named = String(record['part.madeFor'] ?? record['part.joinedBy'] ?? '').split(',');
      return job.orders.some((order) => named.includes(order));
    });
  };

  /** Parts of the same stretch from a request that ended before it had given all. */
  const partsBefore = async (job: JobRow): Promise<ProductRow[]> => {
    const before = await db
      .selectFrom('edds_job')
      .select('request_id')
      .where('backend', '=', backend)
      .where('selection', '=', job.selection)
      .where('purpose', '=', 'past')
      .where('begin_ns', '=', job.begin_ns)
      .where('end_ns', '=', job.end_ns)
      .where('id', '<', job.id)
      .where('parts', '>', 0)
      .where(sql<boolean>`orders ?| ${[...job.orders]}::text[]`)
      .execute();
    const ids = before.flatMap(({ request_id }) => request_id ?? []);
    if (ids.length === 0) return [];
    return db
      .selectFrom('edds_product')
      .selectAll()
      .where('backend', '=', backend)
      .where('kind', '=', 'part')
      .where('request_id', 'in', ids)
      .execute();
  };

  return {
    /** A stream was looked at from this time on, and has nothing more now. */
    looked: (job: JobRow, at: bigint): void => void lookedAt.set(job.id, at),

    lookedAt: (job: JobRow): bigint | null => lookedAt.get(job.id) ?? job.looked_ns,

    forget(job: JobRow): void {
      lookedAt.delete(job.id);
      madeAt.delete(job.id);
      compared.delete(job.id);
    },

    /** Ordinals of the elements that a part of the past is to be without; null = it cannot be told yet. */
    async drop(job: JobRow, part: StoredPart, signal: AbortSignal): Promise<string | null> {
      const from = job.joined_ns === null ? null : job.covered_ns - overlap;
      let recent = false;
      let beside = false;
      await eachElement(part.file, (element) => {
        const time = elementTime(element);
        if (time !== null && besidePast(job, time)) beside = true;
        if (from !== null && !recent) recent = (createdAt(element) ?? from - 1n) >= from;
      });
      if (recent && !(await settled(job, part.creationTime ?? clock()))) return null;
      const streamed = recent && (await streaming(job));
      let keys = compared.get(job.id);
      if (keys === undefined) {
        const inWindow = (element: ResponseElement): boolean => {
          const time = elementTime(element);
          return time !== null && time >= job.begin_ns && time < job.end_ns!;
        };
        const rows = [...(await partsBefore(job)), ...(recent ? await partsAfter(job, streamed) : [])];
        keys = await compare.keysOf(rows, signal, inWindow);
        if (recent) compared.set(job.id, keys);
      }
      if (!beside && !recent && keys.size === 0) return '';
      const known = keys;
      const theirs = streamed ? job.joined_ns! + overlap : null;
      return ordinalsOf(part.file, (element) => {
        const time = elementTime(element);
        if (time !== null && besidePast(job, time)) return true;
        if (theirs !== null && (createdAt(element) ?? theirs - 1n) >= theirs) return true;
        if (known.size === 0) return false;
        const key = elementKey(element);
        return key !== null && known.has(key);
      });
    },
  };
}

export type Seam = ReturnType<typeof seam>;

/** When a packet came into the archive; null of anything else. */
function createdAt(element: ResponseElement): bigint | null {
  if (element.kind !== 'raw') return null;
  try {
    return decodeHeader(element.bytes).creationTime;
  } catch (error) {
    if (error instanceof ScosError) return null;
    throw error;
  }
}
