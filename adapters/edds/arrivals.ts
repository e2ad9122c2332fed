import { createReadStream } from 'node:fs';
import type { Kysely } from 'kysely';
import { compareFileNames, parseFileName, responseReader } from '../../src/formats/edds-response/index.js';
import type { OrderPlace } from '../../src/gateway/placement.js';
import { MpdError } from '../../src/mpd/index.js';
import type { CachedFile, FileCache } from './cache.js';
import type { ProductRow } from './entry.js';
import type { JobRow } from './job.js';
import { partKey, type StoredPart } from './parts.js';
import type { Placing } from './placing.js';
import type { EddsTables } from './tables.js';

export interface ArrivalOptions {
  readonly db: Kysely<EddsTables>;
  readonly backend: string;
  readonly placing: Placing;
  readonly cache: FileCache;
  /** Milliseconds after the end of a request in which files still come. */
  readonly arrival: number;
  /** Milliseconds for which a file that is not whole must keep its size. */
  readonly settle: number;
}

/** A part that EDDS has put at the target; `cut`: why it is not whole. */
export interface ArrivedPart extends StoredPart {
  readonly cut: string | null;
}

/**
 * Looks at orders' targets for the files that EDDS sends there: neither its status nor getResponse tells of them, so they are
 * known by the name of the request in front of them.
 */
export function arrivals(options: ArrivalOptions) {
  const { db, backend, placing, cache } = options;
  /** Files that are not whole: their size, and since when. */
  const growing = new Map<string, { bytes: number; since: number }>();
  const endedAt = new Map<bigint, number>();

  const fetch = async (
    place: OrderPlace,
    name: string,
    key: string,
    signal: AbortSignal,
  ): Promise<CachedFile | null> => {
    let found = false;
    const file = await cache
      .receive(key, async ({ write }) => {
        await place.read(name, signal, async ({ stream }) => {
          found = true;
          for await (const chunk of stream) await write(chunk);
        });
        if (!found) throw new Missing();
      })
      .catch((error: unknown) => {
        if (error instanceof Missing) return null;
        throw error;
      });
    return file;
  };

  const placeOf = async (orderId: string): Promise<OrderPlace> => {
    const place = await placing.place(orderId);
    if (place === null)
      throw new MpdError('Internal', { class: 'retry', message: `order ${orderId} has no target any more` });
    return place;
  };

  return {
    /** The next file of the request that was not there before. `later`: more may come; `missing`: no more will. */
    async next(job: JobRow, over: boolean, signal: AbortSignal): Promise<ArrivedPart | 'later' | 'missing'> {
      const requestId = job.request_id!;
      const place = await placeOf(job.made_for!);
      const listed = await place.list(`${job.name}.`, signal);
      const ours = listed.flatMap((name) => {
        const parsed = parseFileName(name);
        return parsed === null ? [] : [{ name, parsed }];
      });
      const names = ours.filter(({ parsed }) => parsed.requestId.text === requestId);
      const [other] = ours;
      if (names.length === 0 && other !== undefined) {
        // The answer to the submission was lost, and another request of the account was taken for this one.
        await db
          .updateTable('edds_job')
          .set({ request_id: other.parsed.requestId.text })
          .where('id', '=', job.id)
          .execute();
        return 'later';
      }
      const taken = new Set(
        (
          await db
            .selectFrom('edds_product')
            .select('key')
            .where('backend', '=', backend)
            .where('request_id', '=', requestId)
            .execute()
        ).map(({ key }) => key),
      );
      let waiting = false;
      for (const { name, parsed } of names.sort((a, b) => compareFileNames(a.parsed, b.parsed))) {
        if (taken.has(name)) continue;
        const ordinal = job.parts + 1;
        const file = await fetch(place, name, partKey(requestId, ordinal), signal);
        if (file === null) continue;
        const cut = await notWhole(createReadStream(file.path));
        if (cut !== null && !hasSettled(name, file.bytes)) {
          waiting = true;
          continue;
        }
        growing.delete(name);
        const { bytes } = file;
        const told = { fileName: name, contentType: 'text/xml', creationTime: parsed.madeAt, bytes, last: null };
        return { ...told, requestId, ordinal, file, cut };
      }
      if (!over) {
        endedAt.delete(job.id);
        return 'later';
      }
      const now = Date.now();
      for (const [id, time] of endedAt) if (now - time > options.arrival + FORGET_MS) endedAt.delete(id);
      const since = endedAt.get(job.id) ?? now;
      endedAt.set(job.id, since);
      return waiting || now - since < options.arrival ? 'later' : 'missing';
    },

    /** A part that was placed, read from where it lies. */
    async fetch(row: ProductRow, signal: AbortSignal): Promise<CachedFile | null> {
      const place = await placeOf(String(row.record['part.placedFor']));
      return fetch(place, row.key, partKey(row.request_id!, row.ordinal!), signal);
    },
  };

  function hasSettled(name: string, bytes: number): boolean {
    const before = growing.get(name);
    if (before?.bytes === bytes) return Date.now() - before.since >= options.settle;
    growing.set(name, { bytes, since: Date.now() });
    return false;
  }
}

export type Arrivals = ReturnType<typeof arrivals>;

/** `missing` is believed when it is said twice: so long it is said at once. */
const FORGET_MS = 600_000;

class Missing extends Error {}

/** Reads a response file to its end: null when it is whole, else what is wrong and where. */
export async function notWhole(
  stream: AsyncIterable<Uint8Array>,
  expected: number | null = null,
): Promise<string | null> {
  let problem: string | null = null;
  let elements = 0;
  const reader = responseReader({
    onElement: () => elements++,
    onProblem({ kind, reason, position, line }) {
      if (kind === 'xml') problem ??= `${reason} (line ${line}, character ${position})`;
    },
  });
  for await (const chunk of stream) reader.write(chunk);
  reader.end();
  if (problem === null && expected !== null && elements !== expected)
    return `it holds ${elements} elements where ${expected} were sent`;
  return problem;
}
