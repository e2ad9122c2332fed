import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveOf } from '../../simulators/edds/archive/index.js';
import { type RawElement, readResponse, writeResponse } from '../../src/formats/edds-response/index.js';
import { type FileCache, fileCache } from './cache.js';
import { collectPackets, packetKey, repeated, without } from './overlap.js';

const { telemetry } = archiveOf('SOL', {
  seed: 3,
  begin: Date.UTC(2020, 0, 1),
  end: null,
  packetInterval: 100_000,
  commandInterval: 1e9,
  sampleInterval: 1e9,
  files: 0,
});
const packet = (index: number): RawElement => ({ kind: 'raw', packetId: null, bytes: telemetry.record(index) });

describe('packets that come twice', () => {
  let folder: string;
  let cache: FileCache;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mpd-overlap-'));
    cache = fileCache({ folder: join(folder, 'cache'), maxBytes: 1e9 });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const stored = (key: string, indexes: readonly number[]) =>
    cache.receive(key, async ({ write }) => {
      for await (const chunk of writeResponse('raw', indexes.map(packet))) await write(chunk);
    });

  it('are left out, whichever they are; the others keep number and order', async () => {
    const indexes = fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(indexes, indexes, async (first, second) => {
        const known = new Set<string>();
        await collectPackets(await stored('a', first), known);
        const file = await stored('b', second);
        const dropped = await repeated(file, known);
        const rest = second.filter((index) => !first.includes(index));
        expect(dropped === '').toBe(rest.length === second.length);
        if (dropped === '') return;
        const kept: RawElement[] = [];
        const result = await without(cache, 'b', file, dropped);
        for await (const element of readResponse([await readFile(result.path)])) kept.push(element as RawElement);
        expect(kept.map(packetKey)).toEqual(rest.map((index) => packetKey(packet(index))));
        expect(kept.map(({ packetId }) => packetId)).toEqual(rest.map((index) => String(second.indexOf(index) + 1)));
      }),
      { numRuns: 60 },
    );
  });

  it('are told by APID, count, time and content together', () => {
    const one = packet(4);
    const other: RawElement = {
      ...one,
      bytes: Uint8Array.from(one.bytes, (byte, index) => (index === one.bytes.length - 1 ? byte ^ 1 : byte)),
    };
    expect(packetKey(other)).not.toBe(packetKey(one));
    expect(packetKey({ ...one, bytes: Uint8Array.of(1) })).toBeNull();
  });
});
