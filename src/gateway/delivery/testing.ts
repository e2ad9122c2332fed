import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { pino } from 'pino';
import { storeMigrations } from '../../store/index.js';
import { type TestStore, testStore } from '../../store/testing.js';
import { createAccess } from '../access/access.js';
import type { Deliveries, Principal } from '../api.js';
import type { Entry } from '../backend.js';
import { type Backends, createBackends } from '../backends.js';
import { createCatalogue } from '../catalogue/catalogue.js';
import { createNamedFilters } from '../catalogue/filters.js';
import { enqueue } from '../changes/enqueue.js';
import { writeJournal } from '../changes/journal.js';
import { coreMigrations } from '../migrations.js';
import { lockOrders } from '../orders/live.js';
import { targetOrigin } from '../orders/target-origin.js';
import type { CoreTables, StandingOrderTable } from '../schema.js';
import type { DeliveryTarget } from '../target.js';
import { createTargets, type Targets } from '../targets.js';
import { type MemoryBackend, memoryBackend } from '../testing.js';
import { createDeliveries } from './deliveries.js';
import { type DeliveryWorkers, startDeliveryWorkers, type WorkerDependencies, type WorkerLimits } from './workers.js';

/** A store, a backend in memory, a folder to deliver to, and workers to be started: for tests of delivery. */
export interface DeliveryBench {
  readonly store: TestStore<CoreTables>;
  readonly backend: MemoryBackend;
  readonly root: string;
  readonly deliveries: Deliveries;
  readonly alice: Principal;
  readonly backends: Backends;
  readonly targets: Targets;
  folder(name: string): Promise<string>;
  order(values?: Partial<OrderValues>): Promise<bigint>;
  /** Journal row and ledger row, as matching writes them. */
  queue(orderId: bigint, ...entries: readonly Entry[]): Promise<readonly bigint[]>;
  workers(limits?: Partial<WorkerLimits>, more?: Partial<WorkerDependencies>): DeliveryWorkers;
  ledger(): Promise<readonly LedgerRow[]>;
  events(): Promise<readonly { readonly type: string; readonly payload: Record<string, unknown> }[]>;
  /** Visible and hidden files below a folder, by name. */
  files(name?: string): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

type OrderValues = Pick<
  StandingOrderTable,
  'kind' | 'state' | 'method' | 'deliver_to' | 'on_bad_source' | 'overwrite' | 'path_template' | 'deadline_s'
> & { readonly form: string | null };

export interface LedgerRow {
  readonly id: bigint;
  readonly key: string;
  readonly state: string;
  readonly cause: string | null;
  readonly error_class: string | null;
  readonly filename: string | null;
  readonly source_check: string | null;
  readonly target_check: string | null;
  readonly attempts: number;
  readonly round: number;
  readonly owner: string | null;
}

export const TEST_LIMITS: WorkerLimits = {
  workers: 4,
  perTarget: 2,
  leaseMs: 30_000,
  stallMs: 20_000,
  retryFirstMs: 10,
  retryLongestMs: 100,
  verify: 'readback',
  pollMs: 20,
};

export async function deliveryBench(options: {
  readonly target: (root: string) => DeliveryTarget | readonly DeliveryTarget[];
  readonly backend?: MemoryBackend;
  readonly named?: Readonly<Record<string, { readonly uri: string }>>;
}): Promise<DeliveryBench> {
  const store = await testStore<CoreTables>({ migrations: { ...storeMigrations, ...coreMigrations } });
  const { db } = store;
  const root = await mkdtemp(join(tmpdir(), 'mpd-delivery-'));
  const backend = options.backend ?? memoryBackend();
  const backends = createBackends([backend]);
  const targets = createTargets({
    targets: [options.target(root)].flat(),
    config: { allow: [], named: options.named ?? {}, inlineCredentials: false },
  });
  const access = createAccess(db);
  const alice: Principal = { id: 'alice', role: 'consumer', policy: null };
  await access.syncConfigured([alice, { id: 'bob', role: 'consumer', policy: null }]);
  const filters = createNamedFilters(db, () => 10);
  const catalogue = createCatalogue({ db, backends, access, filters, pageLimit: 100 });
  const log = pino({ level: process.env.MPD_TEST_LOG ?? 'silent' });
  const limits = { products: 1000, deadlineSeconds: 60 };
  const deliveries = createDeliveries({ store, backends, targets, access, catalogue, log, limits });
  await sql`insert into backend_state (backend) values (${backend.id})`.execute(db);
  const running: DeliveryWorkers[] = [];
  let readyNs = 1n;
  const folder = async (name: string): Promise<string> => {
    await mkdir(join(root, name), { recursive: true });
    return pathToFileURL(join(root, name)).href;
  };

  return {
    store,
    backend,
    root,
    deliveries,
    alice,
    backends,
    targets,
    folder,
    async order(values = {}) {
      const deliver_to = values.deliver_to ?? (await folder('in'));
      return db.transaction().execute(async (tx) => {
        await lockOrders(tx);
        const { id } = await tx
          .insertInto('standing_order')
          .values({
            ...{ kind: 'standing', owner: 'alice', state: 'active', method: 'FILETRANSFER', pause_policy: 'hold' },
            ...{ on_bad_source: 'deliver-flagged', overwrite: true, deadline_s: 60 },
            ...values,
            deliver_to: values.method?.startsWith('SERVICE') ? null : deliver_to,
          })
          .returning('id')
          .executeTakeFirstOrThrow();
        return id;
      });
    },
    queue: (orderId, ...entries) =>
      db.transaction().execute(async (tx) => {
        const order = await tx
          .selectFrom('standing_order')
          .selectAll()
          .where('id', '=', orderId)
          .executeTakeFirstOrThrow();
        const changes = entries.map((entry) => ({ kind: 'new' as const, entry }));
        await writeJournal(tx, backend.id, changes, { source: 'feed', ordered: true, contactNs: null }, readyNs++);
        const ids: bigint[] = [];
        for (const { metadata, revision } of entries) {
          const { id: journalId } = await tx
            .selectFrom('journal')
            .select('id')
            .where('key', '=', metadata.productRef.key)
            .where('revision', '=', revision)
            .executeTakeFirstOrThrow();
          const [row] = await enqueue(
            tx,
            [
              {
                ...{ orderId, journalId, method: order.method, held: order.state !== 'active' },
                target: order.deliver_to === null ? null : targetOrigin(order.deliver_to),
                deadlineSeconds: order.deadline_s,
              },
            ],
            'always',
          );
          ids.push(row!.id);
        }
        return ids;
      }),
    workers(limits_ = {}, more = {}) {
      const started = startDeliveryWorkers({
        ...{ store, backends, targets, log, limits: { ...TEST_LIMITS, ...limits_ } },
        ...more,
      });
      running.push(started);
      return started;
    },
    ledger: () =>
      db
        .selectFrom('delivery')
        .select(['id', 'key', 'state', 'cause', 'error_class', 'filename', 'source_check', 'target_check', 'attempts'])
        .select(['round', 'owner'])
        .orderBy('id')
        .execute(),
    async events() {
      const rows = await db.selectFrom('event').select(['type', 'payload']).orderBy('id').execute();
      return rows.map(({ type, payload }) => ({ type, payload: payload as Record<string, unknown> }));
    },
    async files(name = 'in') {
      const folder = join(root, name);
      const found = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = found.filter((item) => !item.isDirectory()).map((item) => join(item.parentPath, item.name));
      const contents = await Promise.all(files.map((file) => readFile(file, 'utf8')));
      return Object.fromEntries(files.map((file, i) => [file.slice(folder.length + 1), contents[i]!]));
    },
    async close() {
      await Promise.all(running.map((each) => each.stop({ graceMs: 5_000 })));
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
