import { describe, expect, it } from 'vitest';
import { collect, pathOf, start, testSource } from '../../test/datadrive/source.js';
import { describeWithService } from '../../test/services/index.js';

await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive backend and faults of the source', (index, s3) => {
  const source = testSource(index, s3);

  describe('the feed', () => {
    const slow = { feed: { poll: 60_000, sweep: 600_000 } };
    const quick = { feed: { poll: 100, sweep: 600_000 } };
    const connected = () => expect.poll(() => source.dd.state().sockets).toBeGreaterThan(0);

    it('an event brings a change long before the next poll, and a removal too', async () => {
      const backend = await source.open(slow);
      const cursor = await start(backend);
      const first = collect(backend, cursor, (seen) => seen.length > 0);
      await connected();
      const { ocs_dataset_id } = await source.put('/feed/event.bc');
      const { seen, cursor: next } = await first;
      expect(seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/event.bc' } }]);
      source.dd.setFault('removalEvents', true);
      const second = collect(backend, next, (changes) => changes.length > 0);
      await source.dd.delete(ocs_dataset_id);
      expect((await second).seen).toMatchObject([{ kind: 'removed', ref: { key: ocs_dataset_id } }]);
    });

    it('an event before its document is searchable is kept until it is', async () => {
      const backend = await source.open(slow);
      const waiting = collect(backend, await start(backend), (seen) => seen.length > 0);
      await connected();
      source.dd.setFault('indexLagMs', 1500, { count: 1 });
      await source.put('/feed/lag.bc');
      expect((await waiting).seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/lag.bc' } }]);
    });

    it('dropped, doubled and shuffled events lose and repeat nothing; unchanged bytes are only touched', async () => {
      const backend = await source.open(quick);
      const cursor = await start(backend);
      source.dd.setFault('dropEvents', true, { count: 3 });
      source.dd.setFault('dupEvents', true);
      source.dd.setFault('shuffleEvents', 4);
      for (let n = 0; n < 12; n++) await source.put(`/feed/m${n}.bc`, `one ${n}`);
      const first = await collect(backend, cursor, (seen) => seen.length >= 12);
      expect(first.seen.map(({ kind }) => kind)).toEqual(Array(12).fill('new'));
      expect(new Set(first.seen.map(pathOf)).size).toBe(12);
      await source.put('/feed/m1.bc', 'one 1');
      await source.put('/feed/m2.bc', 'two 2');
      const second = await collect(backend, first.cursor, (seen) => seen.length >= 2);
      expect(second.seen.map((change) => [change.kind, pathOf(change)]).sort()).toEqual([
        ['touched', 'feed/m1.bc'],
        ['updated', 'feed/m2.bc'],
      ]);
    });

    it('a clock of the source that is an hour off, either way, loses nothing', async () => {
      const backend = await source.open(quick);
      let cursor = await start(backend);
      for (const skew of [-3_600_000, 3_600_000]) {
        source.dd.setFault('clockSkewMs', skew);
        // With the source's clock behind, only the event can tell.
        await connected();
        const waiting = collect(backend, cursor, (seen) => seen.length > 0);
        await source.put(`/feed/skew${skew}.bc`);
        const { seen, cursor: next } = await waiting;
        expect(seen.map(pathOf)).toEqual([`feed/skew${skew}.bc`]);
        cursor = next;
        source.dd.clearFaults();
      }
      const after = collect(backend, cursor, (seen) => seen.length > 0);
      await source.put('/feed/after-skew.bc');
      expect((await after).seen.map(pathOf)).toEqual(['feed/after-skew.bc']);
    });

    it.each(['cutSocket', 'freezeSocket'] as const)('%s: polling finds what the feed does not tell', async (fault) => {
      const backend = await source.open(quick);
      const cursor = await start(backend);
      await connected();
      if (fault === 'cutSocket') source.dd.setFault('cutSocket', true, { count: 1 });
      else source.dd.setFault('freezeSocket', true);
      await source.put(`/feed/${fault}.bc`);
      const { seen } = await collect(backend, cursor, (changes) => changes.length > 0);
      expect(seen.map(pathOf)).toEqual([`feed/${fault}.bc`]);
      await connected();
    });

    it('strings for booleans, upload status and nonsense in the feed change nothing', async () => {
      const backend = await source.open(quick);
      const cursor = await start(backend);
      await connected();
      source.dd.setFault('stringBooleans', true);
      source.dd.setFault('uploadStatus', true);
      await source.put('/feed/strings.bc');
      const { seen } = await collect(backend, cursor, (changes) => changes.length > 0);
      expect(seen).toMatchObject([{ kind: 'new', entry: { path: 'feed/strings.bc' } }]);
    });

    it('a removal that no event told is found by the comparison of all ids', async () => {
      const elasticsearch = { ...source.config().elasticsearch, pageSize: 10 };
      const backend = await source.open({ elasticsearch, feed: { poll: 100, sweep: 500 } });
      await Promise.all(Array.from({ length: 21 }, (_, n) => source.put(`/feed/gone${n}.bc`)));
      const cursor = await start(backend);
      // The first, the last and one in the middle, over several pages.
      const ids = source.dd
        .files()
        .map((file) => file.ocs_dataset_id)
        .sort();
      const gone = [ids[0], ids.at(-1), ids[ids.length >> 1]].map(String);
      expect(ids.length).toBeGreaterThan(20);
      for (const id of gone) await source.dd.delete(id);
      const { seen } = await collect(backend, cursor, (changes) => changes.length >= 3);
      expect(seen.map(({ kind }) => kind)).toEqual(['removed', 'removed', 'removed']);
      expect(seen.map(pathOf).sort()).toEqual(gone.sort());
    });

    it('works by polling alone where there is no event feed', async () => {
      const { middleware: _, ...rest } = source.config({ id: 'polling', ...quick });
      const backend = await source.openWith(rest);
      const sockets = source.dd.state().sockets;
      const cursor = await start(backend);
      await source.put('/feed/polled.bc');
      expect((await collect(backend, cursor, (seen) => seen.length > 0)).seen.map(pathOf)).toEqual(['feed/polled.bc']);
      expect(source.dd.state().sockets).toBe(sockets);
    });
  });
});
