import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliveryFailed } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import { type FaultyBench, faultyBench, stalledBody, textBody } from './testing-faults.js';

describe('delivery', () => {
  let bench: FaultyBench;
  beforeEach(async () => {
    bench = await faultyBench((root) => fileTarget([root]));
  });
  afterEach(() => bench.close());

  it('a graceful stop gives back what it could not end, and the next worker sends it', async () => {
    const entry = bench.backend.put('k', 'content');
    const { begun, open } = stalledBody(entry.revision, 'content');
    bench.faults.open = open;
    await bench.queue(await bench.order(), entry);
    const workers = bench.workers({ leaseMs: 60_000 });
    await begun;
    await workers.stop({ graceMs: 50 });
    expect(await bench.ledger()).toMatchObject([{ state: 'queued', owner: null, attempts: 0 }]);
    delete bench.faults.open;
    bench.workers();
    await bench.settled(['notified']);
  });

  describe('a file that landed before its worker was lost', () => {
    /** As after a crash between `landed` and the notice. */
    const landed = async () => {
      const order = await bench.order();
      const [id] = await bench.queue(order, bench.backend.put('k', 'content'));
      const workers = bench.workers();
      await bench.settled(['notified']);
      await workers.stop();
      await bench.store.db.updateTable('delivery').set({ state: 'landed', target_check: null }).execute();
      await bench.store.db.deleteFrom('event').execute();
      return id!;
    };

    it('is told without being sent again', async () => {
      await landed();
      bench.faults.put = async () => {
        throw deliveryFailed('sent a second time', 'refuse');
      };
      bench.workers();
      await bench.settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ target_check: 'verified' }]);
      expect(await bench.eventsOf('delivered')).toHaveLength(1);
    });

    it.each([
      ['removed', null],
      ['changed', 'CONTENT'],
    ])('is sent again when it was %s meanwhile', async (_how, content) => {
      await landed();
      const path = join(bench.root, 'in/k');
      await (content === null ? rm(path) : writeFile(path, content));
      bench.workers();
      await bench.settled(['notified']);
      expect(await bench.files()).toEqual({ k: 'content' });
    });

    it('ends superseded when a newer update took its place', async () => {
      await landed();
      await bench.store.db
        .updateTable('target_path')
        .set({ updated_ns: 2n ** 62n })
        .execute();
      bench.workers();
      await bench.settled(['superseded']);
      expect(await bench.files()).toEqual({ k: 'content' });
    });
  });

  it('what a lost sender of a cancelled order had begun is removed', async () => {
    const order = await bench.order();
    const [id] = await bench.queue(order, bench.backend.put('k', 'x'));
    const { generation } = await bench.store.db
      .selectFrom('event_floor')
      .select('generation')
      .executeTakeFirstOrThrow();
    await writeFile(join(bench.root, `in/.mpd-${generation.slice(0, 8)}-${id}-1.part`), 'half');
    await bench.store.db.updateTable('delivery').set({ state: 'withdrawn', filename: 'k' }).execute();
    await sql`insert into target_path values ('file://', ${join(bench.root, 'in/k')}, '["test"]', 'k', '', 1, ${id}, 1, now())`.execute(
      bench.store.db,
    );
    bench.workers({ leaseMs: 1_000 });
    await expect.poll(() => bench.files(), { timeout: 5_000 }).toEqual({});
    await expect
      .poll(() => bench.store.db.selectFrom('target_path').selectAll().execute(), { timeout: 5_000 })
      .toEqual([]);
  });

  it('outlives lost connections to the store', async () => {
    const order = await bench.order();
    const keys = Array.from({ length: 150 }, (_, i) => `k${i}`);
    await bench.queue(order, ...keys.map((key) => bench.backend.put(key, key)));
    bench.workers({ leaseMs: 4_000 });
    const cut = async () => {
      const done = (await bench.states()).filter((state) => state === 'notified').length;
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(bench.store.db);
      return done;
    };
    let cuts = 0;
    for (; cuts < 200 && (await cut().catch(() => 0)) < 150; cuts++)
      await new Promise((resolve) => setTimeout(resolve, 60));
    expect(cuts).toBeGreaterThan(2);
    await bench.settled(Array(150).fill('notified'), 50_000);
    expect(await bench.files()).toEqual(Object.fromEntries(keys.map((key) => [key, key])));
    expect((await bench.eventsOf('delivered')).map((event) => event.payload.key).sort()).toEqual([...keys].sort());
  });

  it('a process that is set to deliver nothing delivers nothing', async () => {
    await bench.queue(await bench.order(), bench.backend.put('k', 'x'));
    const idle = bench.workers({ workers: 0 });
    const busy = bench.workers();
    await bench.settled(['notified']);
    expect(idle.running()).toBe(0);
    await busy.stop();
  });

  it('two pools of workers share one database: nothing twice, nothing lost', async () => {
    const puts = new Map<string, number>();
    bench.faults.put = async (uri, name, ...args) => {
      puts.set(name, (puts.get(name) ?? 0) + 1);
      return bench.target.put(uri, name, ...args);
    };
    const order = await bench.order();
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
    await bench.queue(order, ...keys.map((key) => bench.backend.put(key, key)));
    bench.workers();
    bench.workers();
    await bench.settled(Array(300).fill('notified'), 30_000);
    expect(await bench.files()).toEqual(Object.fromEntries(keys.map((key) => [key, key])));
    expect([...puts.values()].filter((count) => count !== 1)).toEqual([]);
    const told = (await bench.eventsOf('delivered')).map((event) => event.payload.key);
    expect([...told].sort()).toEqual([...keys].sort());
  });

  it('a worker that wakes late writes nothing: another has its row', async () => {
    const entry = bench.backend.put('k', 'content');
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let calls = 0;
    bench.faults.open = async () => {
      if (++calls > 1) return textBody(entry.revision, 'content');
      return {
        ...textBody(entry.revision, 'content'),
        stream: (async function* () {
          yield new TextEncoder().encode('cont');
          await gate;
          yield new TextEncoder().encode('ent');
        })(),
      };
    };
    await bench.queue(await bench.order(), entry);
    const late = bench.workers({ leaseMs: 1_000_000, workers: 1 });
    await expect.poll(() => calls).toBe(1);
    // As after a partition: the row and the path ran out, and the late one has not noticed.
    await bench.store.db
      .updateTable('delivery')
      .set({ until: new Date(0) })
      .execute();
    await bench.store.db
      .updateTable('target_path')
      .set({ until: new Date(0) })
      .execute();
    bench.workers();
    await bench.settled(['notified']);
    release();
    await expect.poll(() => late.running()).toBe(0);
    expect(await bench.files()).toEqual({ k: 'content' });
    expect(await bench.eventsOf('delivered')).toHaveLength(1);
    const [row] = await bench.ledger();
    const { log } = await bench.deliveries.get(row!.id, bench.alice);
    expect(log.map((entry) => entry.error)).toEqual(['the worker was lost', null]);
  });
});
