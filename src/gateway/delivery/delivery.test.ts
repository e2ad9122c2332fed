import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliveryFailed, MpdError } from '../../mpd/index.js';
import { fileTarget } from '../../targets/file/index.js';
import type { Body } from '../backend.js';
import { releaseHeld, withdrawPending } from '../orders/hold.js';
import type { DeliveryTarget } from '../target.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { type DeliveryBench, deliveryBench } from './testing.js';

const md5 = (text: string) => ({ algorithm: 'md5' as const, value: createHash('md5').update(text).digest() });

describe('delivery', () => {
  let bench: DeliveryBench;
  let backend: MemoryBackend;
  /** Set by a test: what the target and the backend do instead. */
  let faults: {
    put?: DeliveryTarget['put'];
    probe?: DeliveryTarget['probe'];
    open?: MemoryBackend['open'];
    check?: MemoryBackend['check'];
  };
  let target: DeliveryTarget;

  beforeEach(async () => {
    faults = {};
    const memory = memoryBackend();
    backend = {
      ...memory,
      open: (ref, options) => (faults.open ?? memory.open)(ref, options),
      check: () => (faults.check ?? memory.check)(),
    };
    bench = await deliveryBench({
      backend,
      target: (root) => {
        target = fileTarget([root]);
        return {
          ...target,
          put: (...args) => (faults.put ?? target.put)(...args),
          probe: (...args) => (faults.probe ?? target.probe)(...args),
        };
      },
    });
  });
  afterEach(() => bench.close());

  const states = async () => (await bench.ledger()).map((row) => row.state);
  const settled = (expected: readonly string[], timeout = 30_000) => expect.poll(states, { timeout }).toEqual(expected);
  const eventsOf = async (type: string) => (await bench.events()).filter((event) => event.type === type);

  it('delivers, verifies, records the attempt and tells it once', async () => {
    const order = await bench.order();
    await bench.queue(order, backend.put('a/b 1.dat', 'hello', { claim: md5('hello') }));
    bench.workers();
    await settled(['notified']);
    expect(await bench.files()).toEqual({ 'a%2Fb 1.dat': 'hello' });
    const sha256 = createHash('sha256').update('hello').digest('hex');
    expect((await eventsOf('delivered')).map((event) => event.payload)).toEqual([
      {
        key: 'a/b 1.dat',
        filename: 'a%2Fb 1.dat',
        deliveredTo: expect.stringMatching(/^file:.*\/in$/),
        success: true,
        location: expect.stringMatching(/^file:.*\/in\/a%252Fb%201\.dat$/),
        bytes: 5,
        checksum: sha256,
        sourceCheck: 'ok',
        targetCheck: 'verified',
        round: 0,
      },
    ]);
    const [row] = await bench.ledger();
    const info = await bench.deliveries.get(row!.id, bench.alice);
    expect(info).toMatchObject({ state: 'notified', bytes: 5n, checksum: sha256, attempts: 1, sourceCheck: 'ok' });
    expect(info.log).toMatchObject([{ bytes: 5n, checksum: sha256, errorClass: null, endedAt: expect.anything() }]);
    expect(row!.owner).toBeNull();
  });

  it('lays files out by the order template', async () => {
    const order = await bench.order({ path_template: '{productType}/{created:yyyy}/{created:DDD}' });
    await bench.queue(order, backend.put('k', 'x', { type: 'TM/1', created: 1_700_000_000_000_000_000n }));
    bench.workers();
    await settled(['notified']);
    expect(await bench.files()).toEqual({ 'TM%2F1/2023/318/k': 'x' });
  });

  describe('a failing target', () => {
    it('is tried again after errors that pass, and the log keeps every attempt', async () => {
      let calls = 0;
      faults.put = async (...args) => {
        if (++calls < 3) throw deliveryFailed('connection reset', 'retry');
        return target.put(...args);
      };
      const [id] = await bench.queue(await bench.order(), backend.put('k', 'x'));
      bench.workers();
      await settled(['notified']);
      const { attempts, cause, log } = await bench.deliveries.get(id!, bench.alice);
      expect({ attempts, cause }).toEqual({ attempts: 3, cause: null });
      expect(log.map((entry) => entry.error)).toEqual(['connection reset', 'connection reset', null]);
    });

    it('ends as a dead letter at once when the request is at fault, with its event, and is redriven', async () => {
      faults.put = async () => {
        throw deliveryFailed('a directory of that name is in the way', 'refuse');
      };
      const order = await bench.order();
      const [id] = await bench.queue(order, backend.put('k', 'x'));
      bench.workers();
      await settled(['dead']);
      expect((await eventsOf('failed')).map((event) => event.payload)).toEqual([
        {
          key: 'k',
          filename: 'k',
          deliveredTo: expect.stringMatching(/^file:/),
          success: false,
          reason: 'a directory of that name is in the way',
          errorClass: 'refuse',
          round: 0,
        },
      ]);
      delete faults.put;
      expect(await bench.deliveries.redrive(order, 'dead', bench.alice)).toBe(1);
      await settled(['notified']);
      expect(await bench.deliveries.redrive(order, [id!], bench.alice)).toBe(0);
    });

    it('ends as a dead letter at the deadline, which progress moves', async () => {
      let sent = 0;
      faults.put = async (_uri, _name, _body, options) => {
        if (sent < 5) options.progress?.(++sent);
        throw deliveryFailed('the line dropped', 'retry');
      };
      await bench.queue(await bench.order({ deadline_s: 1 }), backend.put('k', '123456'));
      const before = Date.now();
      bench.workers({ retryFirstMs: 300, retryLongestMs: 300 });
      await settled(['dead'], 20_000);
      const [row] = await bench.ledger();
      expect(row).toMatchObject({ error_class: 'retry', cause: 'the line dropped' });
      // Five attempts got further than those before, each with a whole second before it.
      expect(Date.now() - before).toBeGreaterThan(1_500);
      expect(row!.attempts).toBeGreaterThan(5);
    });

    it('waits as long as it was told', async () => {
      let calls = 0;
      faults.put = async (...args) => {
        if (calls++ === 0)
          throw new MpdError('Delivery Failed', { class: 'retryAfter', message: 'slow down', retryAfterMs: 400 });
        return target.put(...args);
      };
      const [id] = await bench.queue(await bench.order(), backend.put('k', 'x'));
      bench.workers();
      await settled(['notified']);
      const { log } = await bench.deliveries.get(id!, bench.alice);
      expect(log[1]!.startedAt - log[0]!.endedAt!).toBeGreaterThanOrEqual(390_000_000n);
    });

    it('that is down is left alone until its probe succeeds; no row burns its attempts', async () => {
      let down = true;
      let puts = 0;
      let probes = 0;
      faults.put = async (...args) => {
        puts++;
        if (down) throw deliveryFailed('no space left on the target', 'target-down');
        return target.put(...args);
      };
      faults.probe = async () => {
        if (++probes >= 3) down = false;
        return down ? { status: 'notYet', reason: 'still full' } : { status: 'ok' };
      };
      const order = await bench.order();
      await bench.queue(order, ...Array.from({ length: 20 }, (_, i) => backend.put(`k${i}`, 'x')));
      const workers = bench.workers();
      await expect.poll(() => workers.paused()).toHaveLength(1);
      await settled(Array(20).fill('notified'));
      expect(puts).toBeLessThanOrEqual(20 + 2 * 2);
      expect((await bench.ledger()).map((row) => row.attempts)).toEqual(Array(20).fill(1));
      expect(workers.paused()).toEqual([]);
    });

    it('that stays down lets rows die at their deadline, with the reason', async () => {
      faults.put = async () => {
        throw deliveryFailed('host unreachable', 'target-down');
      };
      faults.probe = async () => ({ status: 'notYet', reason: 'no answer' });
      await bench.queue(await bench.order({ deadline_s: 1 }), backend.put('a', 'x'), backend.put('b', 'x'));
      bench.workers();
      await settled(['dead', 'dead']);
      const causes = (await bench.ledger()).map((row) => row.cause);
      expect(causes).toEqual(Array(2).fill('not reachable until the deadline: no answer'));
      expect(await eventsOf('failed')).toHaveLength(2);
    });
  });

  it('a target whose probe succeeds and whose transfers do not is given up at the deadline', async () => {
    let puts = 0;
    faults.put = async () => {
      puts++;
      throw deliveryFailed('no space left for so much', 'target-down');
    };
    await bench.queue(await bench.order({ deadline_s: 1 }), backend.put('k', 'x'));
    bench.workers({ retryFirstMs: 50, retryLongestMs: 200 });
    await settled(['dead']);
    expect(await bench.ledger()).toMatchObject([{ error_class: 'target-down', cause: 'no space left for so much' }]);
    expect(puts).toBeGreaterThan(1);
    expect(await eventsOf('failed')).toHaveLength(1);
  });

  describe('a changing product', () => {
    it('that is gone ends withdrawn', async () => {
      const order = await bench.order();
      await bench.queue(order, backend.put('k', 'x'));
      backend.remove('k');
      bench.workers();
      await settled(['withdrawn']);
      expect((await eventsOf('withdrawn'))[0]?.payload).toMatchObject({ filename: 'k', reason: expect.any(String) });
      expect(await bench.files()).toEqual({});
    });

    it('that has new content ends superseded, and the new content is delivered', async () => {
      const order = await bench.order();
      await bench.queue(order, backend.put('k', 'one'));
      await bench.queue(order, backend.put('k', 'two'));
      bench.workers();
      await settled(['superseded', 'notified']);
      expect(await bench.files()).toEqual({ k: 'two' });
      expect(await eventsOf('superseded')).toHaveLength(1);
    });

    it('never puts older content over newer', async () => {
      // Two orders to one folder; the one that matched the older content was paused meanwhile, and it can still be read.
      const late = await bench.order({ state: 'paused' });
      const old = backend.put('k', 'old');
      await bench.queue(late, old);
      await bench.queue(await bench.order(), backend.put('k', 'newer'));
      bench.workers();
      await settled(['matched', 'notified']);
      faults.open = async () => textBody(old.revision, 'old');
      await bench.store.db.updateTable('standing_order').set({ state: 'active' }).execute();
      await bench.store.db.transaction().execute((tx) => releaseHeld(tx, [late]));
      await settled(['superseded', 'notified']);
      expect(await bench.files()).toEqual({ k: 'newer' });
    });

    it('never puts one product over another of the same name', async () => {
      const order = await bench.order({ path_template: 'one' });
      const entry = { ...backend.put('a', 'A'), fileName: 'same' };
      await bench.queue(order, entry);
      bench.workers();
      await settled(['notified']);
      await bench.queue(order, { ...backend.put('b', 'B'), fileName: 'same' });
      await settled(['notified', 'dead']);
      expect((await bench.ledger())[1]).toMatchObject({
        error_class: 'refuse',
        cause: expect.stringContaining('another product (a)'),
      });
      expect(await bench.files()).toEqual({ 'one/same': 'A' });
    });
  });

  describe('a source that claims a checksum its bytes do not have', () => {
    it('is delivered and flagged', async () => {
      await bench.queue(await bench.order(), backend.put('k', 'x', { claim: md5('y') }));
      bench.workers();
      await settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ source_check: 'mismatch', target_check: 'verified' }]);
    });

    it('is held when the order says so, never visible, until it is redriven', async () => {
      const order = await bench.order({ on_bad_source: 'hold' });
      const [id] = await bench.queue(order, backend.put('k', 'x', { claim: md5('y') }));
      bench.workers();
      await settled(['dead']);
      const [row] = await bench.ledger();
      expect(row).toMatchObject({ error_class: 'held', source_check: 'mismatch' });
      expect(row!.cause).toContain(Buffer.from(md5('x').value).toString('hex'));
      expect(row!.cause).toContain(Buffer.from(md5('y').value).toString('hex'));
      expect(await bench.files()).toEqual({});
      expect(await bench.deliveries.redrive(order, [id!], bench.alice)).toBe(1);
      await settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ source_check: 'mismatch' }]);
      expect(await bench.files()).toEqual({ k: 'x' });
    });
  });

  it('a body that its target never began to read is let go', async () => {
    const open = backend.open;
    let ended = 0;
    backend.open = async (...args) => {
      const body = await open.call(backend, ...args);
      const stream: AsyncIterableIterator<Uint8Array> = {
        [Symbol.asyncIterator]: () => stream,
        next: async () => ({ done: true, value: undefined }),
        return: async () => {
          ended += 1;
          return { done: true, value: undefined };
        },
      };
      return { ...body, stream };
    };
    faults.put = async () => {
      throw deliveryFailed('no room before the first byte', 'fatal');
    };
    await bench.queue(await bench.order(), backend.put('k', 'x'));
    bench.workers();
    await settled(['dead']);
    expect(ended).toBe(1);
  });

  it('a source that fails half way leaves nothing and is tried again', async () => {
    const entry = backend.put('k', 'content');
    let calls = 0;
    faults.open = async () => {
      if (++calls > 2) return textBody(entry.revision, 'content');
      return {
        ...textBody(entry.revision, 'content'),
        stream: (async function* () {
          yield new TextEncoder().encode('cont');
          if (calls === 1) throw new Error('reset');
        })(),
      };
    };
    const [id] = await bench.queue(await bench.order(), entry);
    bench.workers();
    await settled(['notified']);
    const { log } = await bench.deliveries.get(id!, bench.alice);
    expect(log.map((entry) => entry.error)).toEqual([
      'the source failed: reset',
      expect.stringMatching(/announced 7 bytes and sent 4/),
      null,
    ]);
    expect(await bench.files()).toEqual({ k: 'content' });
  });

  it('a source that says nothing more is broken off', async () => {
    const entry = backend.put('k', 'content');
    let calls = 0;
    faults.open = async () => {
      if (++calls > 1) return textBody(entry.revision, 'content');
      return { ...textBody(entry.revision, 'content'), stream: silentAfter('cont') };
    };
    const [id] = await bench.queue(await bench.order(), entry);
    bench.workers({ stallMs: 200 });
    await settled(['notified']);
    const { log } = await bench.deliveries.get(id!, bench.alice);
    expect(log[0]!.error).toMatch(/nothing moved/);
  });

  describe('an order', () => {
    it('that is paused keeps its rows', async () => {
      const order = await bench.order({ state: 'paused' });
      await bench.queue(order, backend.put('k', 'x'));
      await bench.store.db.updateTable('delivery').set({ state: 'queued' }).execute();
      const other = await bench.order({ deliver_to: await bench.folder('other') });
      await bench.queue(other, backend.put('k2', 'x'));
      bench.workers();
      await settled(['queued', 'notified']);
    });

    it('that is cancelled breaks its transfer off: nothing becomes visible', async () => {
      const entry = backend.put('k', 'content');
      let reading: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => {
        reading = resolve;
      });
      faults.open = async () => ({
        ...textBody(entry.revision, 'content'),
        stream: (async function* () {
          reading();
          yield* silentAfter('cont');
        })(),
      });
      const order = await bench.order();
      await bench.queue(order, entry);
      const workers = bench.workers({ leaseMs: 30_000 });
      await begun;
      await bench.store.db.transaction().execute(async (tx) => {
        await tx.updateTable('standing_order').set({ state: 'cancelled' }).where('id', '=', order).execute();
        await withdrawPending(tx, order, 'the order was cancelled');
      });
      await expect.poll(() => workers.running(), { timeout: 5_000 }).toBe(0);
      expect(await states()).toEqual(['withdrawn']);
      expect(await bench.files()).toEqual({});
      expect(await bench.store.db.selectFrom('target_path').selectAll().execute()).toEqual([]);
    });
  });

  it('a graceful stop gives back what it could not end, and the next worker sends it', async () => {
    const entry = backend.put('k', 'content');
    let reading: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      reading = resolve;
    });
    faults.open = async () => ({
      ...textBody(entry.revision, 'content'),
      stream: (async function* () {
        reading();
        yield* silentAfter('cont');
      })(),
    });
    await bench.queue(await bench.order(), entry);
    const workers = bench.workers({ leaseMs: 60_000 });
    await begun;
    await workers.stop({ graceMs: 50 });
    expect(await bench.ledger()).toMatchObject([{ state: 'queued', owner: null, attempts: 0 }]);
    delete faults.open;
    bench.workers();
    await settled(['notified']);
  });

  it('a backend that is down is left alone until it answers; products of others go on', async () => {
    let down = true;
    let opens = 0;
    faults.open = async (ref, options) => {
      if (!ref.key.startsWith('k')) return textBody(options.revision!, 'x');
      opens++;
      if (down) throw new MpdError('Internal', { class: 'target-down', message: 'the index does not answer' });
      return textBody(options.revision!, 'x');
    };
    faults.check = async () => ({ ok: !down, reason: down ? 'no answer' : 'it answers' });
    const order = await bench.order();
    await bench.queue(order, ...Array.from({ length: 30 }, (_, i) => backend.put(`k${i}`, 'x')));
    const workers = bench.workers();
    await expect.poll(() => workers.paused(), { timeout: 5_000 }).toMatchObject([{ key: 'backend memory' }]);
    expect(opens).toBeLessThanOrEqual(4);
    await bench.queue(order, backend.put('other', 'x'));
    down = false;
    await settled(Array(31).fill('notified'));
    expect((await bench.ledger()).map((row) => row.attempts)).toEqual(Array(31).fill(1));
  });

  it('a product that the owner of the order may no longer see is not sent', async () => {
    const order = await bench.order();
    await bench.queue(order, backend.put('open/a', 'x'), backend.put('secret/b', 'x'));
    await bench.store.db
      .updateTable('principal')
      .set({ policy: JSON.stringify({ pathPrefix: 'open/' }) })
      .where('id', '=', 'alice')
      .execute();
    bench.workers();
    await settled(['notified', 'withdrawn']);
    expect(await bench.files()).toEqual({ 'open%2Fa': 'x' });
  });

  describe('a file that landed before its worker was lost', () => {
    /** As after a crash between `landed` and the notice. */
    const landed = async () => {
      const order = await bench.order();
      const [id] = await bench.queue(order, backend.put('k', 'content'));
      const workers = bench.workers();
      await settled(['notified']);
      await workers.stop();
      await bench.store.db.updateTable('delivery').set({ state: 'landed', target_check: null }).execute();
      await bench.store.db.deleteFrom('event').execute();
      return id!;
    };

    it('is told without being sent again', async () => {
      await landed();
      faults.put = async () => {
        throw deliveryFailed('sent a second time', 'refuse');
      };
      bench.workers();
      await settled(['notified']);
      expect(await bench.ledger()).toMatchObject([{ target_check: 'verified' }]);
      expect(await eventsOf('delivered')).toHaveLength(1);
    });

    it.each([
      ['removed', null],
      ['changed', 'CONTENT'],
    ])('is sent again when it was %s meanwhile', async (_how, content) => {
      await landed();
      const path = join(bench.root, 'in/k');
      await (content === null ? rm(path) : writeFile(path, content));
      bench.workers();
      await settled(['notified']);
      expect(await bench.files()).toEqual({ k: 'content' });
    });

    it('ends superseded when a newer update took its place', async () => {
      await landed();
      await bench.store.db
        .updateTable('target_path')
        .set({ updated_ns: 2n ** 62n })
        .execute();
      bench.workers();
      await settled(['superseded']);
      expect(await bench.files()).toEqual({ k: 'content' });
    });
  });

  it('a target that does not leave off when it is told is abandoned, and its row given back', async () => {
    faults.put = () => new Promise(() => undefined);
    await bench.queue(await bench.order(), backend.put('k', 'x'));
    const workers = bench.workers({ leaseMs: 600_000, leaveMs: 50 });
    await expect.poll(() => workers.running()).toBe(1);
    await workers.stop({ graceMs: 10 });
    expect(await bench.ledger()).toMatchObject([{ state: 'queued', owner: null }]);
  });

  it('what a lost sender of a cancelled order had begun is removed', async () => {
    const order = await bench.order();
    const [id] = await bench.queue(order, backend.put('k', 'x'));
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
    await bench.queue(order, ...keys.map((key) => backend.put(key, key)));
    bench.workers({ leaseMs: 4_000 });
    const cut = async () => {
      const done = (await states()).filter((state) => state === 'notified').length;
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(bench.store.db);
      return done;
    };
    let cuts = 0;
    for (; cuts < 200 && (await cut().catch(() => 0)) < 150; cuts++)
      await new Promise((resolve) => setTimeout(resolve, 60));
    expect(cuts).toBeGreaterThan(2);
    await settled(Array(150).fill('notified'), 50_000);
    expect(await bench.files()).toEqual(Object.fromEntries(keys.map((key) => [key, key])));
    expect((await eventsOf('delivered')).map((event) => event.payload.key).sort()).toEqual([...keys].sort());
  });

  it('a process that is set to deliver nothing delivers nothing', async () => {
    await bench.queue(await bench.order(), backend.put('k', 'x'));
    const idle = bench.workers({ workers: 0 });
    const busy = bench.workers();
    await settled(['notified']);
    expect(idle.running()).toBe(0);
    await busy.stop();
  });

  it('one dead target of ten with a large backlog holds up nobody else', async () => {
    faults.put = async (uri, ...args) => {
      if (!uri.pathname.endsWith('/dead')) return target.put(uri, ...args);
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw deliveryFailed('timed out', 'target-down');
    };
    faults.probe = async () => ({ status: 'notYet', reason: 'timed out' });
    const dead = await bench.order({ deliver_to: await bench.folder('dead') });
    await bench.queue(dead, ...Array.from({ length: 500 }, (_, i) => backend.put(`d${i}`, 'x')));
    for (let t = 0; t < 9; t++) {
      const order = await bench.order({ deliver_to: await bench.folder(`t${t}`) });
      await bench.queue(order, backend.put(`a${t}`, 'x'), backend.put(`b${t}`, 'x'));
    }
    bench.workers();
    await expect
      .poll(async () => (await states()).filter((state) => state === 'notified').length, { timeout: 20_000 })
      .toBe(18);
    expect((await bench.ledger()).filter((row) => row.attempts > 0)).toHaveLength(18);
  });

  it('two pools of workers share one database: nothing twice, nothing lost', async () => {
    const puts = new Map<string, number>();
    faults.put = async (uri, name, ...args) => {
      puts.set(name, (puts.get(name) ?? 0) + 1);
      return target.put(uri, name, ...args);
    };
    const order = await bench.order();
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
    await bench.queue(order, ...keys.map((key) => backend.put(key, key)));
    bench.workers();
    bench.workers();
    await settled(Array(300).fill('notified'), 30_000);
    expect(await bench.files()).toEqual(Object.fromEntries(keys.map((key) => [key, key])));
    expect([...puts.values()].filter((count) => count !== 1)).toEqual([]);
    const told = (await eventsOf('delivered')).map((event) => event.payload.key);
    expect([...told].sort()).toEqual([...keys].sort());
  });

  it('a worker that wakes late writes nothing: another has its row', async () => {
    const entry = backend.put('k', 'content');
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let calls = 0;
    faults.open = async () => {
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
    await settled(['notified']);
    release();
    await expect.poll(() => late.running()).toBe(0);
    expect(await bench.files()).toEqual({ k: 'content' });
    expect(await eventsOf('delivered')).toHaveLength(1);
    const [row] = await bench.ledger();
    const { log } = await bench.deliveries.get(row!.id, bench.alice);
    expect(log.map((entry) => entry.error)).toEqual(['the worker was lost', null]);
  });
});

const textBody = (revision: string, text: string): Body => ({
  revision,
  size: Buffer.byteLength(text),
  claim: null,
  stream: (async function* () {
    yield new TextEncoder().encode(text);
  })(),
});

async function* silentAfter(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
  await new Promise(() => undefined);
}
