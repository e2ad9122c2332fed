import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isTemporaryName, temporaryName } from '../../src/gateway/delivery/file-name.js';
import type { DeliveryTarget, PutOptions, SourceBody } from '../../src/gateway/target.js';
import { MpdError } from '../../src/mpd/index.js';

/** One server (or folder, or bucket) to run the suite against. */
export interface TargetHarness {
  /** A target ready for use, with rights to `place` and none to `refused`. Closed by the suite. */
  create(): Promise<DeliveryTarget>;
  /** Before each test: a fresh, empty, writable place. */
  place(): Promise<TargetPlace>;
  /** URIs the probe and put must refuse, each with a part of the reason. */
  readonly refused: readonly (readonly [uri: () => string, reason: RegExp])[];
  /** A URI that may work later (no such directory), with a part of the reason; null with `skip.notYet`. */
  notYet(): readonly [uri: string, reason: RegExp] | null;
  /** Why a capability is missing: its tests are skipped and show this. */
  readonly skip?: Partial<Record<SkippableCapability, string>>;
  /** What `verify: 'readback'` must answer; default `verified`. */
  readonly targetCheck?: 'verified' | 'size';
}

export type SkippableCapability =
  | 'notYet' // places appear by being written to
  | 'temporaryFiles' // nothing is stored before the end
  | 'corruption' // what was sent cannot be changed before it is checked
  | 'noOverwrite' // an existing file cannot be protected
  | 'awkwardNames'
  | 'directoryInTheWay';

export interface TargetPlace {
  readonly uri: URL;
  /** Everything stored below, temporary files too, as `/`-separated names relative to the place (folders left out). Seen from outside the target. */
  list(): Promise<readonly string[]>;
  read(name: string): Promise<Uint8Array>;
  /** Stores a file behind the target's back, with its folders. */
  write(name: string, content: Uint8Array): Promise<void>;
  /** Makes a folder behind the target's back; may be absent with `skip.directoryInTheWay`. */
  makeFolder?(name: string): Promise<void>;
  /** Changes bytes of the one temporary file that is being written, waiting until it holds some; may be absent with `skip.corruption`. */
  corrupt?(): Promise<void>;
  remove(): Promise<void>;
}

const AWKWARD = [
  'a b.dat',
  `it's "quoted".txt`,
  'hash#1.bin',
  'what?.bin',
  '100%.txt',
  '%41.txt',
  '日本語 データ.fits',
  'a+b&c=d;e,f.x',
  '~tilde',
  '-dash',
  '.hidden',
  'trailing.',
];

/** The contract of `DeliveryTarget`, once for every implementation and server. */
export function targetConformance(name: string, harness: TargetHarness): void {
  const skip = harness.skip ?? {};
  const needs = (capability: SkippableCapability, title: string, work: () => Promise<void>): void => {
    const reason = skip[capability];
    if (reason === undefined) it(title, work);
    else it.skip(`${title} (skipped: ${reason})`, work);
  };
  const expectedCheck = harness.targetCheck ?? 'verified';

  describe(`target conformance: ${name}`, () => {
    let target: DeliveryTarget;
    let place: TargetPlace;
    beforeEach(async () => {
      target = await harness.create();
      place = await harness.place();
    });
    afterEach(async () => {
      await target.close();
      await place.remove();
    });

    const put = (file: string, body: SourceBody, options: Partial<PutOptions> = {}) =>
      target.put(place.uri, file, body, { ...DEFAULTS, signal: new AbortController().signal, ...options });
    const visible = async () => (await place.list()).filter((path) => !isTemporaryName(path.split('/').at(-1)!)).sort();
    const expectNothing = async () => expect(await place.list()).toEqual([]);

    describe('put', () => {
      it('stores the bytes, and says where, how many and their SHA-256', async () => {
        const content = pattern(300_000);
        const result = await put('product.dat', body(content, { chunk: 7_001 }));
        expect(result).toMatchObject({ bytes: content.length, targetCheck: expectedCheck });
        expect(hex(result.checksum)).toBe(sha256(content));
        expect(result.location).toMatch(/product\.dat$/);
        expect(new URL(result.location).password).toBe('');
        expect(await place.list()).toEqual(['product.dat']);
        expect(sha256(await place.read('product.dat'))).toBe(sha256(content));
      });

      for (const file of AWKWARD)
        needs('awkwardNames', `stores under the name ${JSON.stringify(file)}`, async () => {
          await put(file, body(pattern(10)));
          expect(await place.list()).toEqual([file]);
          expect(await place.read(file)).toEqual(pattern(10));
          expect(await target.stat(place.uri, file, STAT())).toMatchObject({ bytes: 10 });
        });

      it('stores a file of zero bytes', async () => {
        const result = await put('empty', body(new Uint8Array(0)));
        expect(result.bytes).toBe(0);
        expect(hex(result.checksum)).toBe(sha256(new Uint8Array(0)));
        expect(await place.read('empty')).toHaveLength(0);
      });

      it('stores a body of unknown size, also an empty one', async () => {
        const content = pattern(6 * 1024 * 1024 + 17);
        const result = await put('unknown', body(content, { size: null, chunk: 64 * 1024 }));
        expect(result.bytes).toBe(content.length);
        expect(sha256(await place.read('unknown'))).toBe(sha256(content));
        expect((await put('nothing', body(new Uint8Array(0), { size: null }))).bytes).toBe(0);
      });

      it('stores in sub-folders that did not exist, and in those that did', async () => {
        await put('a b/日/one.dat', body(pattern(5)));
        await put('a b/日/two.dat', body(pattern(6)));
        expect(await visible()).toEqual(['a b/日/one.dat', 'a b/日/two.dat']);
        expect(await place.read('a b/日/two.dat')).toEqual(pattern(6));
      });

      it('reports progress up to the size', async () => {
        const seen: number[] = [];
        await put('p', body(pattern(1000), { chunk: 100 }), { progress: (bytes) => seen.push(bytes) });
        expect(seen.at(-1)).toBe(1000);
        expect(seen).toEqual([...seen].sort((a, b) => a - b));
      });

      it('stores many at once', async () => {
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => put(`f${i}`, body(pattern(1000 + i)), { deliveryId: `d${i}` })),
        );
        const names = Array.from({ length: 20 }, (_, i) => `f${i}`).sort();
        expect(await place.list().then((list) => [...list].sort())).toEqual(names);
        for (let i = 0; i < 20; i++) expect(await place.read(`f${i}`)).toEqual(pattern(1000 + i));
      });
    });

    describe('a file is visible whole or not at all', () => {
      it('while it is being written nobody sees it; then everybody sees all of it', async () => {
        const content = pattern(400_000);
        const gate = gated(content, 200_000);
        const done = put('whole', { size: content.length, stream: gate.stream });
        await gate.reached;
        expect(await visible()).toEqual([]);
        expect(await target.stat(place.uri, 'whole', STAT())).toBeNull();
        gate.open();
        await done;
        expect(await place.list()).toEqual(['whole']);
        expect(sha256(await place.read('whole'))).toBe(sha256(content));
      });

      it('an older file stays readable until the new one is complete', async () => {
        await put('same', body(pattern(50_000)));
        const content = pattern(60_000, 3);
        const gate = gated(content, 30_000);
        const done = put('same', { size: content.length, stream: gate.stream }, { epoch: 2 });
        await gate.reached;
        expect(await place.read('same')).toEqual(pattern(50_000));
        gate.open();
        await done;
        expect(await place.read('same')).toEqual(content);
      });

      it.each([0, 1, 100_000, 5_500_000])('a source that fails after %i bytes leaves nothing', async (at) => {
        const fault = new MpdError('Internal', { class: 'retry', message: 'the source broke' });
        const failing = put('broken', { size: 8_000_000, stream: failAfter(pattern(8_000_000), at, fault) });
        await expect(failing).rejects.toBe(fault);
        await expectNothing();
      });

      it('a source that ends cleanly before its size leaves nothing, class retry', async () => {
        await expectClass(put('short', { size: 5_001, stream: chunks(pattern(5_000), 999) }), 'retry');
        await expectNothing();
      });

      it('a source that sends more than its size leaves nothing, class retry', async () => {
        await expectClass(put('long', { size: 4_999, stream: chunks(pattern(5_000), 999) }), 'retry');
        await expectClass(put('some', { size: 0, stream: chunks(pattern(1), 1) }), 'retry');
        await expectNothing();
      });

      it('an abort ends a silent source at once and leaves nothing', async () => {
        const gate = gated(pattern(400_000), 200_000);
        const abort = new AbortController();
        const done = put('aborted', { size: 400_000, stream: gate.stream }, { signal: abort.signal });
        done.catch(() => undefined);
        await gate.reached;
        const reason = new Error('order cancelled');
        abort.abort(reason);
        await expect(done).rejects.toBe(reason);
        await expectNothing();
      });

      it('a failure leaves the older file as it was', async () => {
        await put('same', body(pattern(10)));
        await expectClass(put('same', { size: 99, stream: chunks(pattern(20), 9) }, { epoch: 2 }), 'retry');
        expect(await place.list()).toEqual(['same']);
        expect(await place.read('same')).toEqual(pattern(10));
      });

      needs('corruption', 'bytes changed on their way are found before the file is visible, class retry', async () => {
        async function* corrupting() {
          yield* chunks(pattern(2_000_000), 64 * 1024);
          await place.corrupt?.();
        }
        await expectClass(
          put('corrupt', { size: 2_000_000, stream: corrupting() }),
          'retry',
          /SHA-256|checksum|differ/i,
        );
        await expectNothing();
      });
    });

    describe('overwrite', () => {
      it('true replaces what is there', async () => {
        await place.write('f', pattern(100));
        await put('f', body(pattern(50, 9)));
        expect(await place.read('f')).toEqual(pattern(50, 9));
        expect(await place.list()).toEqual(['f']);
      });

      needs('noOverwrite', 'false refuses other content and leaves it, class refuse', async () => {
        await place.write('f', pattern(50));
        await expectClass(put('f', body(pattern(50, 9)), { overwrite: false }), 'refuse', /overwrit|exists/i);
        expect(await place.read('f')).toEqual(pattern(50));
        expect(await place.list()).toEqual(['f']);
      });

      needs('noOverwrite', 'false takes equal content for success', async () => {
        await place.write('f', pattern(50));
        expect(await put('f', body(pattern(50)), { overwrite: false })).toMatchObject({ bytes: 50 });
        expect(await place.list()).toEqual(['f']);
      });

      it('false stores where there is nothing', async () => {
        await put('f', body(pattern(50)), { overwrite: false });
        expect(await place.list()).toEqual(['f']);
        expect(await place.read('f')).toEqual(pattern(50));
      });

      needs('directoryInTheWay', 'a folder of that name is refused and kept', async () => {
        await place.makeFolder?.('f');
        await expectClass(put('f', body(pattern(50))), 'refuse');
        await put('f/inside', body(pattern(1)));
        expect(await place.list()).toEqual(['f/inside']);
      });
    });

    describe('stat', () => {
      it('gives size, SHA-256 when asked and obtainable, and the location of put', async () => {
        const sent = await put('dir/f 1', body(pattern(70_000)));
        const found = await target.stat(place.uri, 'dir/f 1', STAT(true));
        expect(found).toMatchObject({ bytes: 70_000, location: sent.location });
        if (expectedCheck === 'verified') expect(hex(found!.checksum!)).toBe(sha256(pattern(70_000)));
        expect((await target.stat(place.uri, 'dir/f 1', STAT(false)))?.checksum ?? null).toBeNull();
      });

      it('is null where there is nothing, also in a folder that is not there', async () => {
        expect(await target.stat(place.uri, 'none', STAT(true))).toBeNull();
        expect(await target.stat(place.uri, 'no/such/folder', STAT(true))).toBeNull();
      });
    });

    describe('list and read', () => {
      it('lists the files of the place that begin with a prefix, and reads one to its end', async ({ skip }) => {
        if (target.list === undefined || target.read === undefined) return skip('this target cannot read back');
        const content = pattern(700_001);
        await place.write('part-1.xml', content);
        await place.write('part-2.xml', new Uint8Array(0));
        await place.write('other.xml', pattern(3));
        const { signal } = new AbortController();
        expect(await target.list(place.uri, 'part-', signal)).toEqual(['part-1.xml', 'part-2.xml']);
        expect(await target.list(new URL(`${place.uri.href}/absent`), '', signal)).toEqual([]);
        const read = (name: string) =>
          target.read?.(place.uri, name, signal, async ({ bytes, location, stream }) => {
            const hash = createHash('sha256');
            for await (const piece of stream) hash.update(piece);
            return { bytes, location, sha256: hash.digest('hex') };
          });
        const { location, ...found } = (await read('part-1.xml'))!;
        expect(found).toEqual({ bytes: content.length, sha256: sha256(content) });
        expect(new URL(location).password).toBe('');
        expect(await read('part-2.xml')).toMatchObject({ bytes: 0, sha256: sha256(new Uint8Array(0)) });
        expect(await read('absent.xml')).toBeNull();
        expect(await read('absent/absent.xml')).toBeNull();
      });

      it('lets the reader fail with its own error, and stop early', async ({ skip }) => {
        if (target.read === undefined) return skip('this target cannot read back');
        await place.write('one.xml', pattern(700_001));
        const { signal } = new AbortController();
        const own = Object.assign(new Error('mine'), { code: 'ENOENT' });
        await expect(target.read(place.uri, 'one.xml', signal, () => Promise.reject(own))).rejects.toBe(own);
        const first = await target.read(place.uri, 'one.xml', signal, async ({ stream }) => {
          for await (const piece of stream) return piece[0];
          return null;
        });
        expect(first).toBe(pattern(1)[0]);
      });
    });

    describe('clean', () => {
      needs('temporaryFiles', 'removes temporary files of this delivery only', async () => {
        const old = temporaryName(DEFAULTS.deliveryId, 3);
        const other = temporaryName('another', 3);
        await place.write(`sub/${old}`, pattern(5));
        await place.write(`sub/${other}`, pattern(5));
        await place.write('sub/f', pattern(5));
        await target.clean(place.uri, 'sub/f', DEFAULTS.deliveryId, new AbortController().signal);
        expect([...(await place.list())].sort()).toEqual([`sub/${other}`, 'sub/f'].sort());
      });

      it('is harmless when there is nothing, also no folder', async () => {
        await target.clean(place.uri, 'f', DEFAULTS.deliveryId, new AbortController().signal);
        await target.clean(place.uri, 'no/such/f', DEFAULTS.deliveryId, new AbortController().signal);
        await expectNothing();
      });

      needs('temporaryFiles', 'what an earlier epoch left does not disturb a later put', async () => {
        await place.write(temporaryName(DEFAULTS.deliveryId, 1), pattern(5));
        await put('f', body(pattern(60)), { epoch: 2 });
        expect(await place.read('f')).toEqual(pattern(60));
        await target.clean(place.uri, 'f', DEFAULTS.deliveryId, new AbortController().signal);
        expect(await place.list()).toEqual(['f']);
      });
    });

    describe('probe', () => {
      it('is ok for a writable place and leaves nothing behind', async () => {
        expect(await target.probe(place.uri, new AbortController().signal)).toEqual({ status: 'ok' });
        await expectNothing();
      });

      for (const [uri, reason] of harness.refused)
        it(`refuses, with the reason ${reason}, what put refuses too`, async () => {
          const probed = await target.probe(new URL(uri()), new AbortController().signal);
          expect(probed).toMatchObject({ status: 'refused', reason: expect.stringMatching(reason) });
          const options = { ...DEFAULTS, signal: new AbortController().signal };
          await expect(target.put(new URL(uri()), 'f', body(pattern(1)), options)).rejects.toBeInstanceOf(MpdError);
        });

      needs('notYet', 'says notYet, with the reason, where it may work later', async () => {
        const [uri, reason] = harness.notYet()!;
        const probed = await target.probe(new URL(uri), new AbortController().signal);
        expect(probed).toMatchObject({ status: 'notYet', reason: expect.stringMatching(reason) });
      });
    });

    it.each(['../f', 'a/../../f', '/etc/f', 'a//b', '', '.mpd-x-1.part', 'a\u0000b'])(
      'refuses the name %j',
      async (file) => {
        await expectClass(put(file, body(pattern(1))), 'refuse');
        await expectNothing();
      },
    );

    it('is healthy, with a reason', async () => {
      const health = await target.check();
      expect(health).toMatchObject({ ok: true, reason: expect.stringMatching(/\S/) });
    });
  });
}

const DEFAULTS = { verify: 'readback', overwrite: true, deliveryId: 'store1-42', epoch: 1 } as const;

const STAT = (checksum = false) => ({ checksum, signal: new AbortController().signal });

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function body(
  content: Uint8Array,
  options: { readonly size?: number | null; readonly chunk?: number } = {},
): SourceBody {
  return {
    size: options.size === undefined ? content.length : options.size,
    stream: chunks(content, options.chunk ?? 64 * 1024),
  };
}

async function* chunks(content: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function* failAfter(content: Uint8Array, at: number, error: Error): AsyncGenerator<Uint8Array> {
  yield* chunks(content.subarray(0, at), 64 * 1024);
  throw error;
}

/** Content that stops at `at` bytes until opened; `reached` when the reader asks for more there. */
function gated(content: Uint8Array, at: number) {
  const reached = deferred();
  const opened = deferred();
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* chunks(content.subarray(0, at), 10_000);
    reached.resolve();
    await opened.promise;
    yield* chunks(content.subarray(at), 10_000);
  }
  return { stream: stream(), reached: reached.promise, open: opened.resolve };
}

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function expectClass(work: Promise<unknown>, expected: MpdError['class'], reason?: RegExp): Promise<void> {
  const error = await work.then(
    () => null,
    (fault) => fault,
  );
  expect(error).toBeInstanceOf(MpdError);
  expect(error).toMatchObject({ class: expected });
  if (reason !== undefined) expect(error.message).toMatch(reason);
}
