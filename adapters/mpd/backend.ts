import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, BackendFactory } from '../../src/gateway/backend.js';
import { createWaker } from '../../src/gateway/waker.js';
import { decodeJson } from '../../src/mal/index.js';
import { isMpdError, ProductType, unknown } from '../../src/mpd/index.js';
import { holdLease, type Store } from '../../src/store/index.js';
import { mpdIndex } from './commit.js';
import { mpdConfig } from './config.js';
import { type Remote, remoteOf } from './entry.js';
import { followProducts } from './follow.js';
import { mpdHealth } from './health.js';
import { askedDomain } from './interest.js';
import { linkReader } from './link.js';
import { findProducts, getProducts, listProducts } from './list.js';
import { openProduct } from './open.js';
import { remoteOrders } from './orders.js';
import { listCreated } from './scanner.js';
import { mpdService } from './service.js';
import { CHANNEL, type MpdTables, WANTED_CHANNEL } from './tables.js';

const LEASE_MS = 10_000;
const RETRY_MS = 1000;
const ORDER_RETRY_MS = 10_000;

/** Another MPD provider as a backend: listed into an index, followed by a standing order there, read by getProducts or by its links. */
export const createBackend: BackendFactory = async (entry, { store, log: parentLog, guard, clock }) => {
  const config = mpdConfig(entry);
  const { id, checksum } = config;
  const log = parentLog.child({ backend: id });
  const db = (store as Store<MpdTables>).db;
  const service = await mpdService(config, guard);
  const index = mpdIndex(db, id);
  const closing = new AbortController();
  const waker = createWaker();
  const listing = createWaker();
  const ordering = createWaker();
  /** Something may have come that the listing under way has passed. */
  let due = false;
  const relist = (): void => {
    due = true;
    listing.wake();
  };
  /** Counts what may have changed the orders, so that nothing is missed while they are looked at. */
  let wanted = 0;
  const reorder = (): void => {
    wanted++;
    ordering.wake();
  };
  const unlisten = await store.listen(CHANNEL, (payload) => {
    if (payload === undefined || payload === id) waker.wake();
  });
  const unlistenWanted = await store.listen(WANTED_CHANNEL, (payload) => {
    if (payload === undefined || payload === id) reorder();
  });
  const orders = remoteOrders({ db, config, service, clock });
  const links = linkReader(config, guard);
  const subscribes = config.subscribe !== 'nothing';
  /** Number of the complete listing under way, which must not take for gone what is published meanwhile. */
  let scanning: bigint | null = null;
  let complete = true;

  const owned = (remote: Remote | null): remote is Remote => remote !== null;

  async function listEverything(signal: AbortSignal): Promise<void> {
    const scan = await index.begin();
    scanning = scan;
    try {
      for await (const part of listCreated(service, askedDomain(config), null, signal)) {
        await index.write(part.map((metadata) => remoteOf(metadata, config.domains)).filter(owned), scan);
      }
      await index.end(scan);
    } finally {
      scanning = null;
    }
  }

  async function listRecent(signal: AbortSignal): Promise<void> {
    const newest = await index.newest();
    const from = newest === null ? null : newest / 1_000_000n - BigInt(config.overlap);
    for await (const part of listCreated(service, askedDomain(config), from, signal)) {
      await index.write(part.map((metadata) => remoteOf(metadata, config.domains)).filter(owned), null);
    }
  }

  /** Lists everything at first, after each lost subscription and at every sweep; in between what is recent. */
  async function keepListing(signal: AbortSignal): Promise<void> {
    let swept = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      due = false;
      try {
        if (complete || performance.now() - swept >= config.sweep) {
          complete = false;
          await listEverything(signal).catch((error: unknown) => {
            complete = true;
            throw error;
          });
          swept = performance.now();
          await index.forget(config.retention);
        } else await listRecent(signal);
        await index.problem(null);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'the provider cannot be listed now');
        await index.problem((error as Error).message).catch(() => undefined);
        await listing.wait(RETRY_MS, signal);
        continue;
      }
      if (!due) await listing.wait(Math.min(config.poll, config.sweep), signal);
    }
  }

  /** Makes the orders there agree with those here, from the first subscription on. */
  async function keepOrdered(signal: AbortSignal): Promise<void> {
    while (subscribes && !signal.aborted) {
      const seen = wanted;
      let wait = config.poll;
      try {
        const { ordered, until } = await orders.agree(signal);
        // What came before the order was there.
        if (ordered) relist();
        if (until !== null) wait = Math.min(wait, Number((until - clock()) / 1_000_000n) + 1);
      } catch (error) {
        if (signal.aborted) return;
        if (isMpdError(error, 'Unsupported Operation')) return;
        log.warn({ err: error }, 'the standing order at the provider is not as it should be; tried again');
        wait = Math.min(wait, ORDER_RETRY_MS);
      }
      if (seen === wanted) await ordering.wait(Math.max(wait, 1), signal);
    }
  }

  async function keepSubscribed(signal: AbortSignal): Promise<void> {
    let lost = false;
    while (subscribes && !signal.aborted) {
      try {
        const onState = (state: 'registered' | 'lost'): void => {
          if (state === 'lost') lost = true;
          if (state === 'registered' && lost) {
            lost = false;
            complete = true;
            relist();
            // A provider that keeps nothing over a restart has forgotten the order.
            reorder();
          }
        };
        const products = await service.watch(config.user, onState, signal);
        reorder();
        for await (const { productMetadata } of products) {
          const remote = remoteOf(productMetadata, config.domains);
          if (remote !== null) await index.write([remote], scanning, config.quirks === 'esa-12.2');
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isMpdError(error, 'Unsupported Operation')) {
          log.info({ err: error }, 'the provider does not deliver products: it is followed by listing alone');
          return;
        }
        lost = true;
        log.warn({ err: error }, 'not subscribed at the provider; tried again');
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  const working = (async () => {
    while (!closing.signal.aborted) {
      try {
        await holdLease(db, `mpd:${id}`, { ttlMs: LEASE_MS, signal: closing.signal, log }, async (signal) => {
          await Promise.all([keepListing(signal), keepSubscribed(signal), keepOrdered(signal)]);
        });
      } catch (error) {
        if (closing.signal.aborted) return;
        log.warn({ err: error }, 'following the provider failed; it starts again');
      }
      await sleep(RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  })();

  const backend: Backend = {
    id,
    domains: config.domains,
    capabilities: { feed: 'durable', ranges: true, upstream: subscribes, checksum, folders: false },
    async productTypes() {
      const rows = await db
        .selectFrom('mpd_product')
        .distinctOn('product_type')
        .select('metadata')
        .where('backend', '=', id)
        .where('removed_at', 'is', null)
        .orderBy('product_type')
        .orderBy('created_ns', 'desc')
        .execute();
      return rows.map(({ metadata }) => decodeJson(ProductType, (metadata as { productType: unknown }).productType));
    },
    list: (query, options) => listProducts(db, id, checksum, query, options),
    get: (refs) => getProducts(db, id, checksum, refs),
    async open(ref, options) {
      const [row] = await findProducts(db, id, [ref]);
      if (row === undefined || row === null) throw unknown(null, `${ref.key} is not at this provider`);
      return openProduct({ service, links, maxBody: config.maxBody }, row, checksum, {
        ...options,
        signal: AbortSignal.any([options.signal, closing.signal]),
      });
    },
    follow: (request, { signal }) =>
      followProducts(db, id, checksum, request, waker, AbortSignal.any([signal, closing.signal])),
    ...(subscribes && { upstream: orders.upstream }),
    check: () => mpdHealth(db, config, service, closing.signal),
    async close() {
      closing.abort();
      waker.wake();
      listing.wake();
      ordering.wake();
      await unlisten();
      await unlistenWanted();
      await working;
      await service.close();
      links.close();
    },
  };
  return backend;
};
