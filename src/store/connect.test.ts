import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore, withRetry } from './connect.js';
import { sqlState } from './errors.js';
import { type TestStore, testStore } from './testing.js';

interface Tables {
  account: { id: number; balance: bigint };
}

let store: TestStore<Tables>;

beforeAll(async () => {
  store = await testStore<Tables>();
  await sql`create table account (id integer primary key, balance bigint not null)`.execute(store.db);
});

afterAll(() => store.close());

/** Ends every other session of the test's database, as a restart or a fail-over does. */
async function cutConnections(): Promise<number> {
  const client = new pg.Client({ connectionString: store.url });
  await client.connect();
  const { rowCount } = await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await client.end();
  return rowCount ?? 0;
}

describe('values', () => {
  it('gives int8 as bigint beyond the safe range, also in arrays, and leaves other clients of pg alone', async () => {
    const { rows } = await sql<{ one: bigint; many: (bigint | null)[]; nothing: bigint[] }>`
      select 9223372036854775807::int8 as one, '{1,null,-9223372036854775808}'::int8[] as many, '{}'::int8[] as nothing`.execute(
      store.db,
    );
    expect(rows[0]).toEqual({ one: 9223372036854775807n, many: [1n, null, -9223372036854775808n], nothing: [] });
    const client = new pg.Client({ connectionString: store.url });
    await client.connect();
    expect((await client.query('select 1::int8 as one')).rows).toEqual([{ one: '1' }]);
    await client.end();
  });

  it('orders text by bytes', async () => {
    const { rows } = await sql<{
      t: string;
    }>`select t from (values ('b'), ('a'), ('B'), ('é'), ('_')) v(t) order by t`.execute(store.db);
    expect(rows.map(({ t }) => t)).toEqual(['B', '_', 'a', 'b', 'é']);
  });
});

describe('errors', () => {
  it('keeps the SQLSTATE of mistakes', async () => {
    await store.db.insertInto('account').values({ id: 100, balance: 1n }).execute();
    const again = store.db.insertInto('account').values({ id: 100, balance: 1n }).execute();
    await expect(again).rejects.toSatisfy((error) => sqlState(error) === '23505');
    await expect(again).rejects.not.toHaveProperty('class');
  });

  it('calls a cut connection `retry`, and another one is made', async () => {
    const running = sql`select pg_sleep(30)`.execute(store.db);
    const outcome = expect(running).rejects.toMatchObject({ name: 'MpdError', class: 'retry' });
    await vi.waitFor(async () => expect(await busy()).toBe(1));
    expect(await cutConnections()).toBeGreaterThan(0);
    await outcome;
    // A second connection of the pool may not have noticed yet.
    await expect(withRetry(store.db, (trx) => sql`select 1 as one`.execute(trx))).resolves.toMatchObject({
      rows: [{ one: 1 }],
    });
  });

  it('survives the loss of idle connections', async () => {
    await Promise.all([1, 2, 3].map(() => withRetry(store.db, (trx) => sql`select pg_sleep(0.05)`.execute(trx))));
    expect(await cutConnections()).toBeGreaterThan(0);
    await expect(withRetry(store.db, (trx) => sql`select 2 as two`.execute(trx))).resolves.toMatchObject({
      rows: [{ two: 2 }],
    });
  });

  it('says at once when the server refuses the password', async () => {
    const url = new URL(store.url.replace('@/', '@x/'));
    const wrong = store.url.replace(url.password, 'wrong');
    await expect(openStore({ url: wrong })).rejects.toSatisfy((error) => sqlState(error) === '28P01');
  });

  it('waits for a server that is not there yet, but not for ever', async () => {
    const start = performance.now();
    await expect(openStore({ url: 'postgresql://u:p@127.0.0.1:1/none' }, { waitMs: 300 })).rejects.toMatchObject({
      class: 'retry',
    });
    expect(performance.now() - start).toBeGreaterThan(50);
  });

  async function busy(): Promise<number> {
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and state = 'active' and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`.execute(
      store.db,
    );
    return rows[0]!.n;
  }
});

describe('withRetry', () => {
  it('makes concurrent serializable transfers all happen exactly once', async () => {
    await store.db
      .insertInto('account')
      .values([
        { id: 1, balance: 0n },
        { id: 2, balance: 0n },
      ])
      .execute();
    let runs = 0;
    const transfer = () =>
      withRetry(
        store.db,
        async (trx) => {
          runs += 1;
          const { balance } = await trx
            .selectFrom('account')
            .select('balance')
            .where('id', '=', 1)
            .executeTakeFirstOrThrow();
          await sql`select pg_sleep(0.01)`.execute(trx);
          await trx
            .updateTable('account')
            .set({ balance: balance + 1n })
            .where('id', '=', 1)
            .execute();
        },
        { isolation: 'serializable', attempts: 50 },
      );
    await Promise.all(Array.from({ length: 5 }, transfer));
    const { balance } = await store.db
      .selectFrom('account')
      .select('balance')
      .where('id', '=', 1)
      .executeTakeFirstOrThrow();
    expect(balance).toBe(5n);
    expect(runs).toBeGreaterThan(5);
  });

  it('does not repeat what fails for good', async () => {
    let runs = 0;
    const failing = withRetry(store.db, async (trx) => {
      runs += 1;
      await sql`select 1/0`.execute(trx);
    });
    await expect(failing).rejects.toSatisfy((error) => sqlState(error) === '22012');
    expect(runs).toBe(1);
  });
});

describe('listen', () => {
  it('delivers notifications, also after the connection was lost, and says when something may have been missed', async () => {
    const heard: (string | undefined)[] = [];
    const end = await store.listen('wake', (payload) => heard.push(payload));
    await vi.waitFor(() => expect(heard).toEqual([undefined]));
    await sql`select pg_notify('wake', 'one')`.execute(store.db);
    await vi.waitFor(() => expect(heard).toEqual([undefined, 'one']));
    await cutConnections();
    await vi.waitFor(() => expect(heard).toEqual([undefined, 'one', undefined]), { timeout: 10_000 });
    await withRetry(store.db, (trx) => sql`select pg_notify('wake', 'two')`.execute(trx));
    await vi.waitFor(() => expect(heard).toEqual([undefined, 'one', undefined, 'two']));
    await end();
  });

  it('keeps channels and handlers apart, and one that throws does not stop the others', async () => {
    const [a, b, c]: (string | undefined)[][] = [[], [], []];
    const ends = await Promise.all([
      store.listen('first', () => {
        throw new Error('broken handler');
      }),
      store.listen('first', (payload) => a!.push(payload)),
      store.listen('first', (payload) => b!.push(payload)),
      store.listen('Second "quoted"', (payload) => c!.push(payload)),
    ]);
    await vi.waitFor(() => expect([a, b, c]).toEqual([[undefined], [undefined], [undefined]]));
    await sql`select pg_notify('first', 'x'), pg_notify('Second "quoted"', 'y')`.execute(store.db);
    await vi.waitFor(() =>
      expect([a, b, c]).toEqual([
        [undefined, 'x'],
        [undefined, 'x'],
        [undefined, 'y'],
      ]),
    );
    await ends[1]!();
    await sql`select pg_notify('first', 'z')`.execute(store.db);
    await vi.waitFor(() => expect(b).toEqual([undefined, 'x', 'z']));
    expect(a).toEqual([undefined, 'x']);
    for (const end of ends) await end();
  });
});

describe('health', () => {
  it('is good while the database answers and gives the reason when not', async () => {
    expect(await store.health()).toMatchObject({ ok: true, version: expect.stringMatching(/^\d+/) });
    const other = await testStore();
    const admin = new pg.Client({ connectionString: store.url });
    await admin.connect();
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(other.db);
    await admin.query(`drop database ${rows[0]!.name} with (force)`);
    await admin.end();
    const bad = await vi.waitFor(async () => {
      const seen = await other.health();
      expect(seen.ok).toBe(false);
      return seen;
    });
    expect(bad.reason).toBeTruthy();
    await other.close();
  });
});
