import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../../src/gateway/backend.js';
import { changeKey, type Feed, follow } from './feed.js';
import { type BackendFixture, type BackendHarness, rulesFor } from './fixture.js';
import { all, bytesOf, collect, isRefusedUnknown, keyOf, open, SECOND, T0, until } from './reading.js';
import { replacementRules } from './replacement.js';

/** A system whose changes are followed; its tests run one after the other on the same one. */
export interface Changing {
  system: BackendFixture;
  backend: Backend;
  feed: Feed;
}

export function changingRules(harness: BackendHarness): void {
  const rules = rulesFor(harness);
  const { skip, key, patience, unless } = rules;

  describe('a system that changes', () => {
    const held = {} as Changing;

    beforeAll(async () => {
      held.system = await harness.create();
      held.backend = held.system.backend;
      await held.system.put(key(1), bytesOf(1, 50), { created: T0 });
      await held.system.put(key(2), bytesOf(2, 50), { created: T0 });
      await until(patience, 'the first products are listed', async () => (await all(held.backend)).length === 2);
      held.feed = await follow(held.backend, patience);
    });
    afterAll(() => held.system?.close());

    it('answers the first contact with a cursor and no changes', async () => {
      const first = await held.backend.follow(
        { cursor: null, interest: null },
        { signal: new AbortController().signal },
      );
      expect(first.changes).toEqual([]);
      expect(first.cursor).toMatch(/\S/);
      expect(await all(held.backend)).toHaveLength(2);
    });

    it('ends a quiet wait when the signal aborts', async () => {
      const control = new AbortController();
      const waiting = held.backend.follow({ cursor: held.feed.cursor, interest: null }, { signal: control.signal });
      control.abort();
      await expect(waiting.then(({ changes }) => changes)).rejects.toThrow();
    });

    it('tells of a new product, which then can be listed, got and opened', async () => {
      await held.system.put(key(3), bytesOf(3, 60), { created: T0 });
      const change = await held.feed.next('new', key(3));
      expect((await all(held.backend)).map(({ entry }) => keyOf(entry))).toContain(key(3));
      expect(await held.backend.get([change.entry.metadata.productRef])).toEqual([change.entry]);
      expect(await collect((await open(held.backend, change.entry)).stream)).toEqual(Buffer.from(bytesOf(3, 60)));
    });

    unless('replace')('tells of a replaced product, whose earlier revision is refused', async () => {
      const before = (await all(held.backend)).find(({ entry }) => keyOf(entry) === key(3))!.entry;
      await held.system.put(key(3), bytesOf(33, 60), { created: T0 + 5n * SECOND });
      const { entry } = await held.feed.next('updated', key(3));
      expect(entry.revision).not.toBe(before.revision);
      expect(entry.updatedAt > before.updatedAt).toBe(true);
      const old = { revision: before.revision, offset: 0, signal: new AbortController().signal };
      await expect(held.backend.open(entry.metadata.productRef, old)).rejects.toSatisfy(isRefusedUnknown);
      await expect(held.backend.open(before.metadata.productRef, old)).rejects.toSatisfy(isRefusedUnknown);
      expect(await collect((await open(held.backend, entry)).stream)).toEqual(Buffer.from(bytesOf(33, 60)));
    });

    it('does not call the same bytes stored again a new or changed product', async () => {
      await held.system.put(key(2), bytesOf(2, 50), { created: T0 });
      await held.system.put(key(4), bytesOf(4, 10), { created: T0 });
      const seen = await held.feed.until('new', key(4));
      const again = seen.filter((change) => changeKey(change) === key(2)).map(({ kind }) => kind);
      expect(again.filter((kind) => kind !== 'touched' && kind !== 'republished')).toEqual([]);
    });

    unless('touch')('tells of a change of metadata alone as touched, with the same revision', async () => {
      const before = (await all(held.backend)).find(({ entry }) => keyOf(entry) === key(2))!.entry;
      await held.system.touch!(key(2));
      const { entry } = await held.feed.next('touched', key(2));
      expect(entry.revision).toBe(before.revision);
      expect(entry.metadata).not.toEqual(before.metadata);
    });

    unless('remove')('tells of a removed product, which then is unknown', async () => {
      const { metadata } = (await all(held.backend)).find(({ entry }) => keyOf(entry) === key(1))!.entry;
      await held.system.remove(key(1));
      await held.feed.removed(key(1));
      expect(await held.backend.get([metadata.productRef])).toEqual(['unknown']);
      expect((await all(held.backend)).map(({ entry }) => keyOf(entry))).not.toContain(key(1));
      const options = { revision: null, offset: 0, signal: new AbortController().signal };
      await expect(held.backend.open(metadata.productRef, options)).rejects.toSatisfy(isRefusedUnknown);
    });

    it('finds from its cursor what happened while nobody was connected, where the feed is durable', async (context) => {
      context.skip(held.backend.capabilities.feed !== 'durable', 'the feed is not durable');
      const { cursor } = held.feed;
      held.backend = await held.system.restart(async () => {
        await held.system.put(key(20), bytesOf(20, 30), { created: T0 });
        if (skip.replace === undefined) await held.system.put(key(4), bytesOf(44, 10), { created: T0 + 9n * SECOND });
        if (skip.remove === undefined) await held.system.remove(key(2));
      });
      held.feed = await follow(held.backend, patience, cursor);
      await held.feed.next('new', key(20));
      held.feed = await follow(held.backend, patience, cursor);
      if (skip.replace === undefined) await held.feed.next('updated', key(4));
      held.feed = await follow(held.backend, patience, cursor);
      if (skip.remove === undefined) await held.feed.removed(key(2));
    });

    replacementRules(held, rules);
  });
}
