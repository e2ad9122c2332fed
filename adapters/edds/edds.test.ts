import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import { elementTime, type RawElement } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { Backend, Entry } from '../../src/gateway/backend.js';
import { isMpdError, MpdError } from '../../src/mpd/index.js';
import type { TestStore } from '../../src/store/testing.js';
import type { EddsTables } from './tables.js';
import { BEGIN, eddsStore, type OpenedEdds, openEdds, openSimulator } from './testing.js';
import {
  apid,
  bytesOf,
  EVERYTHING,
  elementsOf,
  eventually,
  hour,
  listAll,
  ns,
  SITES,
  WINDOW,
} from './testing-queries.js';

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
}
