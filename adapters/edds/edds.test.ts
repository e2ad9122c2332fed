import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ALTERNATIVE, type EddsSimulator, type EddsSimulatorOptions, STANDARD } from '../../simulators/edds/index.js';
import {
  elementTime,
  parseFileName,
  type RawElement,
  type ResponseElement,
  readResponse,
} from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { Backend, BackendQuery, Change, Entry } from '../../src/gateway/backend.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { relaxed } from './orders.js';
import { overlay } from './site.js';
import type { EddsTables } from './tables.js';
import { ALTERNATIVE_SITE, BEGIN, eddsStore, type OpenedEdds, openEdds, openSimulator } from './testing.js';

interface Site {
  readonly name: string;
  readonly simulator: EddsSimulatorOptions;
  readonly config: Record<string, unknown>;
}

const SITES: readonly Site[] = [
  { name: 'the shipped profile, base64', simulator: { shape: STANDARD }, config: {} },
  {
    name: 'the shipped profile, token in a header',
    simulator: { shape: { ...STANDARD, token: ['header'] } },
    config: { site: { auth: { send: 'header', header: { name: 'Token', namespace: 'urn:edds-sim:service:1' } } } },
  },
  { name: 'the other site, attachments', simulator: { shape: ALTERNATIVE }, config: { site: ALTERNATIVE_SITE } },
  {
    name: 'the other site, content inline, the end told by a fault',
    simulator: { shape: { ...ALTERNATIVE, content: 'inline', last: 'fault' } },
    config: { site: overlay(ALTERNATIVE_SITE, { last: 'fault', responses: { fetch: { total: null } } }) as object },
  },
];

const EVERYTHING: BackendQuery = { filter: null, created: null, content: null, updated: null };
const ns = (millis: number): bigint => BigInt(millis) * 1_000_000n;
const WINDOW = { start: ns(BEGIN), end: ns(BEGIN + 10_000) - 1n };
const hour = (type: string, attributes: readonly object[] = []): FilterTree =>
  ({
    filter: {
      productType: type,
      domain: null,
      sources: null,
      attributeFilter: attributes.length === 0 ? null : attributes,
    },
  }) as FilterTree;
const apid = (...values: number[]) => ({
  type: 'ValueSet',
  name: 'apid',
  include: true,
  values: values.map((value) => ({ type: 'UShort', value })),
});

for (const site of SITES) {
  describe(`EDDS as a backend: ${site.name}`, () => {
    let store: TestStore<EddsTables>;
    let simulator: EddsSimulator;
    let edds: OpenedEdds;
    let backend: Backend;
    const open = async (config: Record<string, unknown> = {}): Promise<OpenedEdds> => {
      const opened = await openEdds(store, simulator, { ...site.config, ...config });
      await opened.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      return opened;
    };
    beforeAll(async () => {
      store = await eddsStore();
      simulator = await openSimulator({ ...site.simulator, limits: { partElements: 40 } });
      edds = await open();
      backend = edds.backend;
    });
    afterAll(async () => {
      await edds?.close();
      await store?.close();
      await simulator?.stop();
    });
    beforeEach(() => simulator.control.clear());

    it('lists the catalogue as virtual products, cut to the window asked for, beside the files', async () => {
      const entries = await listAll(backend, { content: WINDOW });
      const types = entries.map(({ metadata }) => metadata.productType.name);
      expect(
        Object.fromEntries([...new Set(types)].map((type) => [type, types.filter((one) => one === type).length])),
      ).toEqual({
        PktTmRaw: 5,
        PktTcReport: 3,
        PktTcRaw: 3,
        Param: 3,
        File: 3,
      });
      const packets = entries.filter(({ metadata }) => metadata.productType.name === 'PktTmRaw');
      for (const { metadata } of packets) {
        expect(metadata.contentDate).toEqual(WINDOW);
        expect(metadata.productRef).toMatchObject({
          version: 0,
          key: expect.stringMatching(/^PktTmRaw\/[0-9a-f]{16}\/2020-12-01T00:00:00Z--2020-12-01T00:00:09\.999999999Z$/),
        });
      }
      expect(new Map(packets[0]!.metadata.attributes!.map(({ name, value }) => [name, value?.value]))).toEqual(
        new Map<string, unknown>([
          ['name', expect.any(String)],
          ['count', expect.any(BigInt)],
          ['request', 'on request'],
          ['spid', expect.any(Number)],
          ['apid', expect.any(Number)],
          ['serviceType', expect.any(Number)],
          ['serviceSubType', expect.any(Number)],
        ]),
      );
    });

    it('is well, and says how many jobs run', async () => {
      expect(await backend.check()).toEqual({
        ok: true,
        reason:
          'EDDS answers; 0 jobs of standing orders (at most 64), 0 requests for the past of orders (at most 4 run at once), 0 retrievals running, 0 waiting',
      });
    });

    it('never shows virtual products to those who look for updates', async () => {
      const listed: Entry[] = [];
      const options = { order: 'updated', limit: 100, signal: new AbortController().signal } as const;
      for await (const { entry } of backend.list(EVERYTHING, options)) listed.push(entry);
      expect(new Set(listed.map(({ metadata }) => metadata.productType.name))).toEqual(new Set(['File']));
    });

    it('gets a virtual product by one batch, its parts merged into one response', async () => {
      const [entry] = await listAll(backend, { content: WINDOW, filter: hour('PktTmRaw', [apid(1444)]) }, 'apid', 1444);
      const before = simulator.control.jobs().length;
      const progress: string[] = [];
      const elements = await elementsOf(await bytesOf(backend, entry!, (text) => progress.push(text)));
      expect(simulator.control.jobs().length).toBe(before + 1);
      expect(elements).toHaveLength(40);
      expect(elements.map((element) => (element as RawElement).packetId)).toEqual(
        elements.map((_, index) => String(index + 1)),
      );
      for (const element of elements) {
        expect(decodeRecord((element as RawElement).bytes).header.apid).toBe(1444);
        const time = elementTime(element)!;
        expect(time >= WINDOW.start && time <= WINDOW.end).toBe(true);
      }
      expect(progress.join('\n')).toMatch(/is submitted/);
      await bytesOf(backend, entry!);
      expect(simulator.control.jobs().length, 'a second get costs no job').toBe(before + 1);
    });

    it('merges several parts, and commands and parameters too', async () => {
      const long = { start: ns(BEGIN), end: ns(BEGIN + 900_000) };
      for (const [type, count] of [
        ['PktTcReport', 90],
        ['Param', 901],
      ] as const) {
        const entries = await listAll(backend, { content: long, filter: hour(type) });
        const all = (await Promise.all(entries.map(async (entry) => elementsOf(await bytesOf(backend, entry))))).flat();
        expect(all.length, type).toBe(count);
      }
    });

    it('runs one job for all who ask for the same at once', async () => {
      const window = { start: ns(BEGIN + 20_000), end: ns(BEGIN + 30_000) };
      const [entry] = await listAll(backend, { content: window, filter: hour('PktTmRaw') });
      const before = simulator.control.jobs().length;
      const told = Array.from({ length: 10 }, (): string[] => []);
      const bodies = await Promise.all(told.map((texts) => bytesOf(backend, entry!, (text) => texts.push(text))));
      for (const texts of told) expect(texts.join('\n'), 'each is told how it goes').toContain('EDDS request');
      expect(simulator.control.jobs().length).toBe(before + 1);
      expect(new Set(bodies.map((body) => body.toString('latin1'))).size).toBe(1);
    });

    it('keeps to the parallel calls allowed when many ask for different things', async () => {
      simulator.control.resetCounts();
      const entries = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          listAll(backend, {
            content: { start: ns(BEGIN + index * 1000), end: ns(BEGIN + 40_000) },
            filter: hour('PktTmRaw'),
          }),
        ),
      );
      await Promise.all(entries.map(([entry]) => bytesOf(backend, entry!)));
      expect(simulator.control.mostParallel).toBeGreaterThan(1);
      expect(simulator.control.mostParallel).toBeLessThanOrEqual(4);
    });

    it('gets a file of the catalogue by its name', async () => {
      const [file] = await listAll(backend, { filter: hour('File') });
      const bytes = await bytesOf(backend, file!);
      expect(BigInt(bytes.length)).toBe(file!.metadata.fileMetadata!.fileSize);
    });

    it('refuses keys that say nothing, windows outside and offsets', async () => {
      const [entry] = await listAll(backend, { content: WINDOW, filter: hour('PktTmRaw') });
      const ref = entry!.metadata.productRef;
      const window = (text: string) => ({ ...ref, key: ref.key.replace(/[^/]+$/, text) });
      expect(
        await backend.get([
          ref,
          window('2020-12-01T00:00:10Z--2020-12-01T00:00:00Z'),
          window('2020-12-01T00:00:00Z--2020-12-02T00:00:00Z'),
          window('2020-12-01--2020-12-02'),
          { ...ref, key: 'PktTmRaw/0000000000000000/2020-12-01T00:00:00Z--2020-12-01T00:00:01Z' },
          { ...ref, version: 1 },
        ]),
      ).toEqual([entry, 'unknown', 'unknown', 'unknown', 'unknown', 'unknown']);
      const options = { revision: null, offset: 5, signal: new AbortController().signal };
      await expect(backend.open(ref, options)).rejects.toSatisfy((error) => isMpdError(error, 'Invalid'));
    });

    describe('faults of the site', () => {
      let second = 100;
      /** A virtual product that nobody asked for yet. */
      const fresh = async (): Promise<Entry> => {
        second += 20;
        const window = { start: ns(BEGIN + second * 1000), end: ns(BEGIN + second * 1000 + 9_999) };
        return (await listAll(backend, { content: window, filter: hour('PktTmRaw') }))[0]!;
      };

      it.each([
        ['fault-500', 'getStatus'],
        ['fault-200', 'getStatus'],
        ['fault-500', 'getResponse'],
        ['fault-200', 'getResponse'],
        ['cut-xml', 'getStatus'],
        ['cut-xml', 'getResponse'],
        ['wrong-length', 'getResponse'],
        ['reset', 'getStatus'],
        ['reset', 'getResponse'],
        ['reset-midway', 'getResponse'],
        ['unavailable', 'getStatus'],
        ['short-content', 'getResponse'],
        ['expire-token', 'getStatus'],
        ['expire-token', 'getResponse'],
        ['expire-token', 'batchRequest'],
        ['lost-answer', 'getStatus'],
      ] as const)('%s in %s: the product arrives whole', async (effect, operation) => {
        const entry = await fresh();
        simulator.control.inject({ effect, operation });
        const elements = await elementsOf(await bytesOf(backend, entry));
        const { contentDate } = entry.metadata;
        expect(elements.length).toBeGreaterThan(5);
        for (const element of elements) {
          const time = elementTime(element)!;
          expect(time >= contentDate.start && time <= contentDate.end + 1_000_000n).toBe(true);
        }
      });

      it.each(['lost-answer', 'reset', 'fault-500'] as const)(
        '%s in a submission: no request is made twice',
        async (effect) => {
          const entry = await fresh();
          const before = simulator.control.jobs().length;
          simulator.control.inject({ effect, operation: 'batchRequest' });
          expect((await elementsOf(await bytesOf(backend, entry))).length).toBeGreaterThan(5);
          expect(simulator.control.jobs().length).toBe(before + 1);
        },
      );

      it('a job that fails: an error with the reason of EDDS', async () => {
        simulator.control.switches.fail = 'the archive is being rebuilt';
        await expect(bytesOf(backend, await fresh())).rejects.toSatisfy(
          (error) =>
            error instanceof MpdError &&
            error.class === 'retry' &&
            error.message.includes('the archive is being rebuilt'),
        );
      });

      it('a part that is missing: an error, never half a product', async () => {
        simulator.control.inject({ effect: 'part-missing', operation: 'getResponse', times: 100 });
        await expect(bytesOf(backend, await fresh())).rejects.toThrow(/part 1 of .* is missing/);
      });

      it('elements without packets are left out, packets out of order kept', async () => {
        Object.assign(simulator.control.switches, { emptyPacket: true, outOfOrder: true });
        expect((await elementsOf(await bytesOf(backend, await fresh()))).length).toBeGreaterThan(5);
      });

      it('an unknown state is taken for running until the job ends', async () => {
        simulator.control.switches.state = 'PONDERING';
        const reading = bytesOf(backend, await fresh());
        setTimeout(() => {
          simulator.control.switches.state = null;
        }, 100);
        expect((await elementsOf(await reading)).length).toBeGreaterThan(5);
      });

      it('a clock that is wrong by a minute does not hide a lost request', async () => {
        simulator.control.switches.clockSkew = -60_000;
        const entry = await fresh();
        const before = simulator.control.jobs().length;
        simulator.control.inject({ effect: 'lost-answer', operation: 'batchRequest' });
        await bytesOf(backend, entry);
        expect(simulator.control.jobs().length).toBe(before + 1);
      });

      it('a job that never ends is given up and cancelled', async () => {
        const impatient = await open({
          id: 'other',
          site: { ...(site.config.site as object), limits: { deadline: 300 } },
        });
        simulator.control.switches.stuck = true;
        await expect(bytesOf(impatient.backend, await fresh())).rejects.toThrow(/after 0 s; it was given up/);
        expect(simulator.control.jobs().at(-1)!.state).toBe('CANCELLED');
        await impatient.close();
      });

      it('a catalogue of 10 000 files is listed whole, each once', async () => {
        simulator.control.switches.catalogueFiles = 10_000;
        const files = await eventually(async () => {
          const found = await listAll(backend, { filter: hour('File') });
          return found.length === 10_000 ? found : null;
        });
        expect(new Set(files.map(({ metadata }) => metadata.productRef.key)).size).toBe(10_000);
      });
    });
  });

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

describe('what goes wrong on the way to EDDS', () => {
  let store: TestStore<EddsTables>;
  let simulator: EddsSimulator;
  beforeAll(async () => {
    store = await eddsStore();
    simulator = await openSimulator();
  });
  afterAll(async () => {
    await store?.close();
    await simulator?.stop();
  });
  const reason = async (config: Record<string, unknown>): Promise<string> => {
    const opened = await openEdds(store, simulator, config);
    try {
      const health = await opened.backend.check();
      expect(health.ok).toBe(false);
      return health.reason;
    } finally {
      await opened.close();
    }
  };

  it('is said in words that an operator understands, without the password', async () => {
    const wrong = await reason({ id: 'p', password: 'hidden-9' });
    expect(wrong).toContain('EDDS refuses user or password of the gateway: user or password is wrong');
    expect(wrong).not.toContain('hidden-9');
    expect(await reason({ id: 'u', wsdl: 'http://127.0.0.1:9/x?wsdl' })).toMatch(/127\.0\.0\.1:9.*ECONNREFUSED/);
    expect(await reason({ id: 'w', wsdl: simulator.url })).toContain('cannot be used');
    expect(await reason({ id: 'o', site: { operations: { list: 'noSuchOperation' } } })).toBe(
      'the WSDL of EDDS lacks noSuchOperation (site.operations.list): adapt the site profile',
    );
    const site = {
      requests: { batch: { begin: 'request.TimeRange.Start' } },
      responses: { status: { state: 'Phase' } },
      service: 'EddsService',
      port: 'EddsPort',
    };
    expect(await reason({ id: 's', site })).toBe(
      'the WSDL of EDDS lacks request.TimeRange.Start (site.requests.batch.begin), status.Phase (site.responses.status.state): adapt the site profile',
    );
  });

  it('keeps the text of the fault as the cause', async () => {
    const opened = await openEdds(store, simulator, { id: 'm', mission: 'BC', username: 'solo', password: 'solo' });
    try {
      await expect(opened.backend.upstream!.list()).resolves.toEqual([]);
      const listed = await openEdds(store, simulator, { id: 'n' });
      await listed.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      const [entry] = await listAll(listed.backend, { content: WINDOW, filter: hour('PktTmRaw') });
      const denied = await openEdds(store, simulator, { id: 'n', mission: 'MARS', catalogue: 3_600_000 });
      await expect(bytesOf(denied.backend, entry!)).rejects.toSatisfy(
        (error) =>
          isMpdError(error, 'Authorisation Fail') &&
          error.class === 'refuse' &&
          (error.cause as Error).message === 'domain MARS is not granted',
      );
      await denied.close();
      await listed.close();
    } finally {
      await opened.close();
    }
  });

  it('is refused at once when the configuration cannot be right', async () => {
    await expect(openEdds(store, simulator, { site: { last: 'never' } })).rejects.toSatisfy(
      (error) => isMpdError(error, 'Invalid') && error.message.includes('site.last'),
    );
    await expect(openEdds(store, simulator, { wdsl: 'x' })).rejects.toThrow(/wdsl/);
  });

  it('windows longer than allowed are refused', async () => {
    const opened = await openEdds(store, simulator, { id: 'l', maxWindow: '10m' });
    await opened.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
    const [entry] = await listAll(opened.backend, { filter: hour('PktTmRaw') });
    await expect(bytesOf(opened.backend, entry!)).rejects.toThrow(/ask for a shorter window/);
    await opened.close();
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

async function listAll(
  backend: Backend,
  query: Partial<BackendQuery>,
  attribute?: string,
  value?: unknown,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const options = { order: 'created', limit: 1000, signal: new AbortController().signal } as const;
  for await (const { entry } of backend.list({ ...EVERYTHING, ...query }, options)) {
    if (
      attribute === undefined ||
      entry.metadata.attributes?.some((one) => one.name === attribute && one.value?.value === value)
    )
      entries.push(entry);
  }
  return entries;
}

async function bytesOf(backend: Backend, entry: Entry, progress?: (text: string) => void): Promise<Buffer> {
  const body = await backend.open(entry.metadata.productRef, {
    revision: entry.revision,
    offset: 0,
    signal: AbortSignal.timeout(50_000),
    ...(progress && { progress }),
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function elementsOf(content: Uint8Array): Promise<ResponseElement[]> {
  const elements: ResponseElement[] = [];
  for await (const element of readResponse([content], { onProblem: (problem) => expect.fail(problem.reason) }))
    elements.push(element);
  return elements;
}

async function eventually<Result>(look: () => Promise<Result>): Promise<NonNullable<Exclude<Result, false>>> {
  const end = performance.now() + 40_000;
  for (;;) {
    const found = await look();
    if (found) return found as NonNullable<Exclude<Result, false>>;
    if (performance.now() > end) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
