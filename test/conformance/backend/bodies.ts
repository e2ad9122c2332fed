import { expect, it } from 'vitest';
import type { Entry } from '../../../src/gateway/backend.js';
import type { Rules } from './fixture.js';
import type { Holding } from './holding.js';
import { all, collect, digest, isRefusedUnknown, keyOf, open } from './reading.js';

/** `open`. */
export function bodyRules(held: Holding, { key, unless }: Rules): void {
  const entryOf = async (product: string): Promise<Entry> => {
    const found = (await all(held.backend)).find(({ entry }) => keyOf(entry) === product);
    if (found === undefined) throw new Error(`${product} is not listed`);
    return found.entry;
  };

  it('opens what it lists: every byte, size and revision', async () => {
    for (const { entry } of await all(held.backend)) {
      const body = await open(held.backend, entry);
      const bytes = await collect(body.stream);
      expect(Buffer.compare(bytes, held.contents.get(keyOf(entry))!), keyOf(entry)).toBe(0);
      expect(body.revision).toBe(entry.revision);
      if (body.size !== null) expect(body.size).toBe(bytes.length);
      const { fileMetadata, checksum } = entry.metadata;
      if (fileMetadata !== null) expect(fileMetadata.fileSize).toBe(BigInt(bytes.length));
      if (held.backend.capabilities.checksum !== null && checksum !== null) {
        expect(Buffer.from(checksum).toString('hex')).toBe(digest(held.backend.capabilities.checksum, bytes));
      }
    }
  });

  it('opens at any offset, where it has ranges', async (context) => {
    context.skip(!held.backend.capabilities.ranges, 'the backend has no ranges');
    const entry = await entryOf(key(5));
    const whole = held.contents.get(key(5))!;
    for (const offset of [0, 1, whole.length - 1, whole.length]) {
      const body = await open(held.backend, entry, { offset });
      expect(await collect(body.stream)).toEqual(Buffer.from(whole.subarray(offset)));
      if (body.size !== null) expect(body.size).toBe(whole.length);
    }
  });

  unless('zeroLength')('opens a product of no bytes', async () => {
    const body = await open(held.backend, await entryOf(key(1000)));
    expect(await collect(body.stream)).toHaveLength(0);
  });

  it('refuses another revision and an unknown reference', async () => {
    const entry = await entryOf(key(2));
    const options = { revision: 'not-this-one', offset: 0, signal: new AbortController().signal };
    await expect(held.backend.open(entry.metadata.productRef, options)).rejects.toSatisfy(isRefusedUnknown);
    const absent = { ...entry.metadata.productRef, key: `${keyOf(entry)}-absent` };
    await expect(held.backend.open(absent, { ...options, revision: null })).rejects.toSatisfy(isRefusedUnknown);
  });

  it('may be left before and after the first bytes', async () => {
    const entry = await entryOf(key(3));
    for (let times = 0; times < 50; times++) {
      const body = await open(held.backend, entry);
      const iterator = body.stream[Symbol.asyncIterator]();
      if (times % 2 === 1) await iterator.next();
      await iterator.return?.();
    }
    expect(await collect((await open(held.backend, entry)).stream)).toEqual(Buffer.from(held.contents.get(key(3))!));
  });
}
