import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { createAccess } from '../../src/gateway/access/access.js';
import type { Change } from '../../src/gateway/backend.js';
import { BATCH, createIntake, MOST } from '../../src/gateway/changes/intake.js';
import { coreMigrations } from '../../src/gateway/migrations.js';
import { createLiveOrders, lockOrders } from '../../src/gateway/orders/live.js';
import type { CoreTables } from '../../src/gateway/schema.js';
import { memoryBackend } from '../../src/gateway/testing.js';
import { migrate, openStore, storeMigrations } from '../../src/store/index.js';
import { printTable, timed } from '../table.js';

/**
 * New product → journal → match → ledger → event, one transaction a batch, on the embedded database with fsync on; beside it
 * the same numbers of bare rows written by plain SQL. `npm run bench -- journal`
 */
const PRODUCTS = 20_000;

export async function journalBench(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'mpd-bench-'));
  chmodSync(dir, 0o755);
  const store = await openStore<CoreTables>({ dir: join(dir, 'store') });
  try {
    await migrate(store.db, { ...storeMigrations, ...coreMigrations });
    await createAccess(store.db).syncConfigured([{ id: 'bench', role: 'operator', policy: null }]);
    await store.db.insertInto('backend_state').values({ backend: 'memory', epoch: 1n, ready_ns: 0n }).execute();
    await store.db.transaction().execute(async (tx) => {
      await lockOrders(tx);
      for (let i = 0; i < 10; i++)
        await tx
          .insertInto('standing_order')
          .values({
            kind: 'standing',
            owner: 'bench',
            state: 'active',
            method: 'SERVICE_COMPLETE',
            tree: JSON.stringify({ productTypes: [`t${i}`] }),
            pause_policy: 'hold',
            on_bad_source: 'deliver-flagged',
            overwrite: true,
            deadline_s: 60,
          })
          .execute();
    });
    const backend = memoryBackend();
    const changesOf = (name: string): readonly Change[] =>
      Array.from({ length: PRODUCTS }, (_, i) => ({
        kind: 'new',
        entry: backend.put(`${name}${i}`, String(i), { type: `t${i % 10}`, silent: true }),
      }));
    const [changes, backlog] = [changesOf('p'), changesOf('q')];
    const intake = createIntake(store.db, backend, createLiveOrders(), 1n);
    const raw = await timed(() => rawRows(store.db));
    const batches = (all: readonly Change[], size: number) =>
      timed(async () => {
        for (let i = 0; i < all.length; i += size) await intake.take(all.slice(i, i + size), 'feed');
      });
    const batched = await batches(changes, BATCH);
    const largest = await batches(backlog, MOST);
    const singles = changes.slice(0, 500).map((change, i): Change => {
      if (change.kind === 'removed') return change;
      return {
        kind: 'updated',
        entry: { ...change.entry, revision: `again ${i}`, updatedAt: change.entry.updatedAt + 1n },
      };
    });
    const single = await timed(async () => {
      for (const change of singles) await intake.take([change], 'feed');
    });
    const { rows } = await sql<{ deliveries: bigint; events: bigint }>`
      select (select count(*) from delivery) as deliveries, (select count(*) from event) as events`.execute(store.db);
    console.log(
      `\njournal → match → ledger → event, ${PRODUCTS} products each, 10 orders (${rows[0]!.deliveries} ledger rows, ${rows[0]!.events} events)`,
    );
    const plain = PRODUCTS / raw.seconds;
    const row = (what: string, rate: number) => [what, rate, rate / plain] as const;
    printTable(
      ['', 'products/s', 'ratio to plain rows'],
      [
        row('plain rows (journal, ledger, 2 events), batches of 500', plain),
        row(`the gateway, batches of ${BATCH}`, PRODUCTS / batched.seconds),
        row(`the gateway with a backlog, batches of ${MOST}`, PRODUCTS / largest.seconds),
        row('the gateway, one by one', singles.length / single.seconds),
      ],
    );
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The same numbers of rows of the same width without any thought, in tables with the same indexes. */
async function rawRows(db: Parameters<typeof createIntake>[0]): Promise<void> {
  await sql`create schema raw`.execute(db);
  for (const table of ['journal', 'delivery', 'event'])
    await sql`create table ${sql.table(`raw.${table}`)} (like ${sql.table(`public.${table}`)} including all)`.execute(
      db,
    );
  const metadata = JSON.stringify({ note: 'x'.repeat(600) });
  for (let n = 0; n < PRODUCTS; n += 500) {
    await db.transaction().execute(async (tx) => {
      await sql`insert into raw.journal (backend, domain, key, version, revision, kind, current, product_type, metadata, created_ns,
          content_start_ns, content_end_ns, updated_ns, ready_ns)
        select 'b', '["t"]', 'k' || i, 1, 'r' || i, 'new', true, 't', ${metadata}::jsonb, i, i, i, i, i
        from generate_series(${n}::int, ${n + 499}::int) i`.execute(tx);
      await sql`insert into raw.delivery (order_id, journal_id, domain, key, revision, method, state)
        select 1, i, '["t"]', 'k' || i, 'r' || i, 'SERVICE_COMPLETE', 'available' from generate_series(${n}::int, ${n + 499}::int) i`.execute(
        tx,
      );
      await sql`insert into raw.event (type, domain, payload)
        select 'product', '["t"]', '{"change": "new"}' from generate_series(1, 1000) i`.execute(tx);
    });
  }
}
