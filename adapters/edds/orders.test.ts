import { describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import { elementTime, parseFileName, type RawElement } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { Backend, Change, Entry } from '../../src/gateway/backend.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { eddsStore, openEdds, openSimulator } from './testing.js';
import { apid, bytesOf, elementsOf, eventually, hour, SITES, type Site } from './testing-queries.js';
import { relaxed } from './wanted.js';

for (const site of SITES) {
  describe(`standing orders at EDDS: ${site.name}`, () => {
    it('become one stream a packet kind, shared; each packet is delivered once, and nothing is left out', async () => {
      await withLive(site, async ({ simulator, backend, parts }) => {
        const order = (orderId: bigint, filter: FilterTree) => ({
          orderId,
          user: 'a',
          filter,
          validity: null,
          remoteId: null,
        });
        const id = await backend.upstream!.ensure(order(1n, hour('PktTmRaw', [apid(1444, 1420)])));
        expect(id).toBe('order-1');
        await backend.upstream!.ensure(order(1n, hour('PktTmRaw', [apid(1444, 1420)])));
        await backend.upstream!.ensure(order(2n, hour('PktTmRaw', [apid(1444)])));
        await eventually(async () => streams(simulator).length === 2);
        const elements = await packetsUntil(parts, 60);
        await eventually(async () => (await backend.upstream!.status('order-1')).state === 'running');
        const status = await backend.upstream!.status('order-2');
        expect(status).toMatchObject({
          orderId: 2n,
          state: 'running',
          details: { Error: null, Reason: null, SubmissionTime: expect.any(String), ExpiryTime: expect.any(String) },
        });
        expect(streams(simulator)).toHaveLength(2);
        for (const kind of [1444, 1420]) {
          const counts = elements
            .filter((header) => header.apid === kind)
            .map(({ ssc }) => ssc)
            .sort((a, b) => a - b);
          expect(counts.length, `${kind}`).toBeGreaterThan(10);
          expect(counts, `${kind}: no gap, no double`).toEqual(
            Array.from({ length: counts.length }, (_, index) => counts[0]! + index),
          );
        }
        await backend.upstream!.cancel('order-2');
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect(streams(simulator).filter(({ state }) => state === 'ACTIVE')).toHaveLength(2);
        await backend.upstream!.cancel('order-1');
        await eventually(async () => streams(simulator).every(({ state }) => state === 'CANCELLED'));
      });
    });

    it('parts carry what their kind says, and open with the bytes that were announced', async () => {
      await withLive(site, async ({ backend, parts }) => {
        await backend.upstream!.ensure({
          orderId: 3n,
          user: 'a',
          filter: hour('PktTmRaw', [apid(1444)]),
          validity: null,
          remoteId: null,
        });
        const [entry] = await parts(1);
        const { metadata } = entry!;
        expect(metadata.productRef).toMatchObject({
          version: 1,
          key: expect.stringMatching(/^mpd-[0-9a-f]{12}\.(Batch|Stream)Request\.PktTm/),
        });
        expect(parseFileName(metadata.productRef.key)).not.toBeNull();
        expect(metadata.attributes).toEqual(
          expect.arrayContaining([{ name: 'apid', value: { type: 'UShort', value: 1444 } }]),
        );
        const bytes = await bytesOf(backend, entry!);
        expect(BigInt(bytes.length)).toBe(metadata.fileMetadata!.fileSize);
        const times = (await elementsOf(bytes)).map((element) => elementTime(element)!);
        expect(metadata.contentDate).toEqual({ start: times[0], end: times.at(-1) });
        expect(await backend.get([metadata.productRef])).toEqual([entry]);
      });
    });

    it('go on without gap or double when EDDS ends the stream, and after a restart of the gateway', async () => {
      await withLive(site, async (live) => {
        const { simulator, parts } = live;
        const order = {
          orderId: 4n,
          user: 'a',
          filter: hour('PktTmRaw', [apid(1444)]),
          validity: null,
          remoteId: null,
        };
        await live.backend.upstream!.ensure(order);
        const first = await packetsUntil(parts, 12);
        const [job] = streams(simulator);
        await cancelAtSite(simulator, job!.id);
        await eventually(async () => streams(simulator).length === 2);
        await live.restart();
        await live.backend.upstream!.ensure(order);
        const all = [...first, ...(await packetsUntil(parts, 25))];
        // What fills the time between may come after the first part of the next stream.
        const span = () => Math.max(...all.map(({ ssc }) => ssc)) - Math.min(...all.map(({ ssc }) => ssc)) + 1;
        while (new Set(all.map(({ ssc }) => ssc)).size < span()) all.push(...(await packetsUntil(parts, 1)));
        const counts = all.map(({ ssc }) => ssc).sort((a, b) => a - b);
        expect(counts).toEqual(Array.from({ length: counts.length }, (_, index) => counts[0]! + index));
        expect(
          simulator.control.jobs().some(({ kind }) => kind === 'BatchRequest'),
          'the time between was filled by a batch',
        ).toBe(true);
      });
    });

    it('are found again when the answer to their submission was lost and the gateway ended', async () => {
      await withLive(site, async (live) => {
        const { simulator } = live;
        simulator.control.inject({ effect: 'lost-answer', operation: 'streamRequest', times: 1 });
        simulator.control.inject({ effect: 'unavailable', operation: 'getJobs', times: 1000 });
        const order = {
          orderId: 7n,
          user: 'a',
          filter: hour('PktTmRaw', [apid(1444)]),
          validity: null,
          remoteId: null,
        };
        await live.backend.upstream!.ensure(order);
        await eventually(async () => streams(simulator).length === 1);
        await live.restart();
        simulator.control.clear();
        await packetsUntil(live.parts, 12);
        expect(streams(simulator)).toHaveLength(1);
        expect(await live.backend.upstream!.status('order-7')).toMatchObject({ state: 'running' });
      });
    });

    it('of what does not stream become recurring requests', async () => {
      await withLive(site, async ({ simulator, backend, parts }) => {
        const filter = hour('Param', [
          { type: 'ValueSet', name: 'parameterName', include: true, values: [{ type: 'String', value: 'NIXD0023' }] },
        ]);
        await backend.upstream!.ensure({ orderId: 5n, user: 'a', filter, validity: null, remoteId: null });
        const made = await parts(2);
        expect(simulator.control.jobs()).toHaveLength(1);
        expect(simulator.control.jobs()[0]!.request).toHaveProperty('Schedule');
        const times = (await Promise.all(made.map(async (entry) => elementsOf(await bytesOf(backend, entry)))))
          .flat()
          .map((element) => elementTime(element)!);
        const sorted = [...times].sort((a, b) => (a < b ? -1 : 1));
        for (let index = 1; index < sorted.length; index++)
          expect(sorted[index]! - sorted[index - 1]!).toBe(300_000_000n);
      });
    });

    it('that would need too many requests are refused; jobs of others are listed without an order', async () => {
      await withLive(
        site,
        async ({ simulator, backend }) => {
          const all = { orderId: 6n, user: 'a', filter: null, validity: null, remoteId: null };
          await expect(backend.upstream!.ensure(all)).rejects.toThrow(/14 kinds of data; at most 8 requests/);
          const foreign = simulator.control.jobs().length;
          await backend.upstream!.ensure({ ...all, filter: hour('PktTmRaw', [apid(1444)]) });
          await eventually(async () => streams(simulator).length === 1);
          expect(foreign).toBe(0);
          await eventually(async () =>
            (await backend.upstream!.list()).some(
              ({ orderId, details }) => orderId === 6n && details.State === streamState(site),
            ),
          );
        },
        { limits: { orderJobs: 8 } },
      );
    });
  });
}

describe('the filter that decides which requests an order needs', () => {
  const times = { start: 0n, end: 1n };
  it('leaves out what only a finished part can tell, and nothing else', () => {
    const elements = {
      type: 'ValueRange',
      name: 'elements',
      include: true,
      minimum: { type: 'Long', value: 5n },
      maximum: null,
    } as const;
    expect(relaxed({ all: [hour('PktTmRaw', [apid(1), elements]), { content: times }] })).toEqual({
      all: [hour('PktTmRaw', [apid(1)]), { all: [] }],
    });
    expect(relaxed({ not: hour('Param') })).toEqual({ not: hour('Param') });
    expect(relaxed({ not: { any: [hour('Param'), { created: times }] } })).toEqual({ all: [] });
  });
});

interface Live {
  readonly simulator: EddsSimulator;
  readonly backend: Backend;
  /** New parts, as many as said or more, each told once. */
  readonly parts: (count: number) => Promise<Entry[]>;
  restart(): Promise<void>;
}

/** A site whose archive grows: 20 packets a second, streams that close a part each second. */
async function withLive(site: Site, run: (live: Live) => Promise<void>, profile: object = {}): Promise<void> {
  const store = await eddsStore();
  const simulator = await openSimulator({
    ...site.simulator,
    archive: {
      begin: Date.now() - 10_800_000,
      end: null,
      packetInterval: 50_000,
      commandInterval: 500_000,
      sampleInterval: 100_000,
      files: 1,
    },
  });
  const config = {
    partSeconds: 1,
    period: '1s',
    ...site.config,
    site: { ...(site.config.site as object | undefined), ...profile },
  };
  let edds = await openEdds(store, simulator, config).catch(async (error: unknown) => {
    await store.close();
    await simulator.stop();
    throw error;
  });
  const signal = AbortSignal.timeout(50_000);
  let { cursor } = await edds.backend.follow({ cursor: null, interest: null }, { signal });
  const told = new Set<string>();
  const live = {
    simulator,
    get backend() {
      return edds.backend;
    },
    async parts(count: number) {
      const found: Entry[] = [];
      while (found.length < count) {
        const result = await edds.backend.follow({ cursor, interest: null }, { signal });
        cursor = result.cursor;
        for (const change of result.changes) {
          expect(change.kind).toBe('new');
          const { entry } = change as Extract<Change, { entry: Entry }>;
          expect(told.has(entry.metadata.productRef.key)).toBe(false);
          told.add(entry.metadata.productRef.key);
          found.push(entry);
        }
      }
      return found;
    },
    async restart() {
      await edds.close();
      edds = await openEdds(store, simulator, config);
    },
  };
  const opened = live as Live & { backend: Backend };
  livesOf.set(opened.parts, () => edds.backend);
  try {
    await run(opened);
  } finally {
    await edds.close();
    await store.close();
    await simulator.stop();
  }
}

const livesOf = new WeakMap<Live['parts'], () => Backend>();

/** Headers of the packets of new parts, at least so many of them. */
async function packetsUntil(parts: Live['parts'], count: number) {
  const headers: ReturnType<typeof decodeRecord>['header'][] = [];
  while (headers.length < count) {
    for (const entry of await parts(1)) {
      const elements = await elementsOf(await bytesOf(livesOf.get(parts)!(), entry));
      headers.push(...elements.map((element) => decodeRecord((element as RawElement).bytes).header));
    }
  }
  return headers;
}

const streams = (simulator: EddsSimulator) => simulator.control.jobs().filter(({ kind }) => kind === 'StreamRequest');
const streamState = (site: Site): string =>
  site.config.site !== undefined && 'states' in (site.config.site as object) ? 'RUNNING' : 'ACTIVE';

/** As an operator of EDDS would do it. */
async function cancelAtSite(simulator: EddsSimulator, id: string): Promise<void> {
  const job = simulator.control.jobs().find((one) => one.id === id)!;
  job.state = 'CANCELLED';
}
