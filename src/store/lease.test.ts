import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { assertLease, holdLease, keepLease } from './hold.js';
import { held, type LeaseTable, releaseLease, renewLease, takeLeases } from './lease.js';
import { storeMigrations } from './migrate.js';
import { type TestStore, testStore } from './testing.js';

interface Job {
  queue: string;
  id: bigint;
  state: string;
  owner: string | null;
  until: Date | null;
  epoch: bigint;
}

const JOBS: LeaseTable = { name: 'job', key: ['queue', 'id'] };
const MINUTE = 60_000;

let store: TestStore<{ job: Job }>;

beforeAll(async () => {
  store = await testStore<{ job: Job }>({ migrations: storeMigrations, poolSize: 12 });
  await sql`create table job (queue text, id bigint, state text not null default 'queued', owner text, until timestamptz,
    epoch bigint not null default 0, primary key (queue, id))`.execute(store.db);
});

afterAll(() => store.close());

beforeEach(async () => {
  await sql`truncate job, lease`.execute(store.db);
  await sql`insert into job (queue, id) select 'a', n from generate_series(1, 20) n`.execute(store.db);
});

const take = (owner: string, limit: number, ttlMs = MINUTE) =>
  takeLeases<Job, { job: Job }>(store.db, JOBS, { owner, ttlMs, limit, orderBy: sql`t.id` });
const expire = () => sql`update job set until = now() - interval '1 second' where until is not null`.execute(store.db);
const job = (id: bigint) => store.db.selectFrom('job').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

describe('takeLeases', () => {
  it('gives each row to one of many who ask at once', async () => {
    const taken = await Promise.all(['x', 'y', 'z', 'u', 'v', 'w'].map((owner) => take(owner, 5)));
    const ids = taken.flat().map(({ row }) => row.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect((await take('last', 100)).length + ids.length).toBe(20);
    const { n } = await store.db
      .selectFrom('job')
      .select(sql<bigint>`count(*)`.as('n'))
      .where('epoch', '=', 1n)
      .executeTakeFirstOrThrow();
    expect(n).toBe(20n);
  });

  it('takes in the order asked for, only rows asked for, with the assignments asked for', async () => {
    const where = sql<boolean>`t.id > 10`;
    const leased = await takeLeases<Job, { job: Job }>(store.db, JOBS, {
      owner: 'x',
      ttlMs: MINUTE,
      limit: 3,
      where,
      orderBy: sql`t.id desc`,
      set: sql`state = 'sending'`,
    });
    expect(leased.map(({ row }) => row.id).sort()).toEqual([18n, 19n, 20n]);
    expect(leased.every(({ row }) => row.state === 'sending' && row.owner === 'x')).toBe(true);
  });

  it('does not wait for a row that another transaction holds', async () => {
    await store.db.transaction().execute(async (trx) => {
      await sql`select from job where id = 1 for update`.execute(trx);
      expect((await take('x', 1)).map(({ row }) => row.id)).toEqual([2n]);
    });
  });
});

describe('a takeover', () => {
  it('raises the epoch, and everything the former owner still does has no effect', async () => {
    const [{ lease: old } = undefined!] = await take('old', 1);
    expect(await take('new', 20)).toHaveLength(19);
    await expire();
    const again = await take('new', 1);
    expect(again).toMatchObject([{ row: { id: 1n, epoch: 2n } }]);

    expect(await renewLease(store.db, old, MINUTE)).toBe(false);
    const { numAffectedRows } = await sql`update job set state = 'done' where ${held(old)}`.execute(store.db);
    expect(numAffectedRows).toBe(0n);
    await releaseLease(store.db, old);
    expect(await job(1n)).toMatchObject({ state: 'queued', owner: 'new', epoch: 2n });
    expect((await job(1n)).until!.getTime()).toBeGreaterThan(Date.now());
  });

  it('is possible at once after a release, and a late renewal does not hold the row again', async () => {
    const [{ lease } = undefined!] = await take('x', 1);
    await releaseLease(store.db, lease);
    expect(await renewLease(store.db, lease, MINUTE)).toBe(false);
    expect(await take('y', 1)).toMatchObject([{ row: { id: 1n, owner: 'y' } }]);
  });
});

describe('keepLease', () => {
  it('holds the lease for as long as the work takes', async () => {
    const [{ lease } = undefined!] = await take('x', 1, 1_500);
    const result = await keepLease(store.db, lease, { ttlMs: 1_500 }, async (signal) => {
      for (let n = 0; n < 10; n++) {
        await sql`select pg_sleep(0.2)`.execute(store.db);
        expect(
          await takeLeases(store.db, JOBS, { owner: 'thief', ttlMs: 1, limit: 1, where: sql<boolean>`t.id = 1` }),
        ).toEqual([]);
      }
      expect(signal.aborted).toBe(false);
      return 'done';
    });
    expect(result).toBe('done');
    expect((await job(1n)).epoch).toBe(1n);
  });

  it('aborts the work when the row went to somebody else', async () => {
    const [{ lease } = undefined!] = await take('x', 1, 1_500);
    const work = keepLease(store.db, lease, { ttlMs: 1_500 }, async (signal) => {
      await sql`update job set owner = 'y', epoch = epoch + 1 where id = 1`.execute(store.db);
      await untilAborted(signal);
      throw signal.reason;
    });
    await expect(work).rejects.toMatchObject({
      name: 'MpdError',
      class: 'retry',
      message: expect.stringContaining('another owner'),
    });
    expect((await job(1n)).owner).toBe('y');
  });

  it('aborts the work before the lease ends when the database does not answer', async () => {
    const [{ lease } = undefined!] = await take('x', 1, 1_500);
    await store.db.transaction().execute(async (trx) => {
      await sql`select from job where id = 1 for update`.execute(trx);
      const work = keepLease(store.db, lease, { ttlMs: 1_500 }, async (signal) => {
        await untilAborted(signal);
        const { rows } = await sql<{
          valid: boolean;
        }>`select until > clock_timestamp() as valid from job where id = 1`.execute(store.db);
        expect(rows).toEqual([{ valid: true }]);
        throw signal.reason;
      });
      await expect(work).rejects.toMatchObject({ class: 'retry', message: expect.stringContaining('in time') });
    });
  });

  it('lets go at once when the work fails', async () => {
    const [{ lease } = undefined!] = await take('x', 1);
    await expect(
      keepLease(store.db, lease, { ttlMs: MINUTE }, () => Promise.reject(new Error('no disk'))),
    ).rejects.toThrow('no disk');
    expect(await take('y', 1)).toMatchObject([{ row: { id: 1n, owner: 'y', epoch: 2n } }]);
  });
});

describe('holdLease', () => {
  it('lets one run at a time and hands on when it ends', async () => {
    let running = 0;
    const epochs: bigint[] = [];
    const run = () =>
      holdLease(store.db, 'follower', { ttlMs: 2_000, pollMs: 20 }, async (_signal, epoch) => {
        running += 1;
        expect(running).toBe(1);
        epochs.push(epoch);
        await sql`select pg_sleep(0.05)`.execute(store.db);
        running -= 1;
        return epoch;
      });
    const results = await Promise.all([run(), run(), run(), run()]);
    expect(epochs).toEqual([1n, 2n, 3n, 4n]);
    expect([...results].sort()).toEqual(epochs);
  });

  it('aborts, waits and begins again with a new epoch when the lease was lost; writes of the old epoch are refused', async () => {
    const epochs: bigint[] = [];
    const result = await holdLease(store.db, 'sweep', { ttlMs: 1_500, pollMs: 20 }, async (signal, epoch) => {
      epochs.push(epoch);
      if (epoch > 1n) return 'second';
      await store.db.transaction().execute((trx) => assertLease(trx, 'sweep', epoch));
      await sql`update lease set owner = 'thief', epoch = epoch + 1, until = now() + interval '200 ms' where name = 'sweep'`.execute(
        store.db,
      );
      const late = store.db.transaction().execute((trx) => assertLease(trx, 'sweep', epoch));
      await expect(late).rejects.toMatchObject({ class: 'retry' });
      await untilAborted(signal);
      throw signal.reason;
    });
    expect(result).toBe('second');
    expect(epochs).toEqual([1n, 3n]);
  });

  it('ends quietly when told to while it waits or works, and gives errors of the work', async () => {
    const stop = new AbortController();
    let begun: () => void = () => undefined;
    const working = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const options = { ttlMs: 5_000, pollMs: 20, signal: stop.signal };
    const first = holdLease(store.db, 'one', options, async (signal) => {
      begun();
      await untilAborted(signal);
      throw signal.reason;
    });
    await working;
    const second = holdLease(store.db, 'one', options, () => Promise.resolve('ran'));
    await sql`select pg_sleep(0.1)`.execute(store.db);
    stop.abort();
    expect(await Promise.all([first, second])).toEqual([undefined, undefined]);
    await expect(
      holdLease(store.db, 'one', { ttlMs: 5_000, pollMs: 20 }, () => Promise.reject(new Error('broken'))),
    ).rejects.toThrow('broken');
    expect(
      await holdLease(store.db, 'one', { ttlMs: 5_000 }, (_signal, epoch) => Promise.resolve(epoch)),
    ).toBeGreaterThan(1n);
  });
});

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
