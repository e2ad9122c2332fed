import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Change } from '../../src/gateway/backend.js';
import type { TestStore } from '../../src/store/testing.js';
import { type JavaPeer, javaMissing, startPeer } from '../../test/interop/java-peer.js';
import type { MpdTables } from './tables.js';
import { mpdStore, openMpd } from './testing.js';

const missing = await javaMissing();
if (missing !== null) console.warn(`Restarts of ESA's provider are NOT tested: ${missing}`);

const keyOf = (change: Change): string =>
  change.kind === 'removed' ? change.ref.key : change.entry.metadata.productRef.key;

/** ESA's provider forgets products and orders when it ends; listings are too seldom here to find anything in time. */
describe.skipIf(missing !== null)(
  `ESA's provider, heard by a standing order${missing === null ? '' : ` (${missing})`}`,
  () => {
    let provider: JavaPeer;
    let uri: string;
    let store: TestStore<MpdTables>;
    let backend: Backend;
    let cursor: string;

    const start = async (port: number): Promise<void> => {
      const flags = ['--empty', '--domain', 'local', '--port', String(port)];
      provider = await startPeer('EsaProvider', flags, ['done', 'error']);
      const ready = await provider.waitFor(({ event }) => event === 'ready');
      uri = (ready.services as { ProductRetrieval: { uri: string } }).ProductRetrieval.uri;
    };
    const put = async (ref: string): Promise<void> => {
      const done = await provider.command(`put local:${ref} --text x --created 2024-01-01T00:00:00Z`);
      expect(done.at(-1)!.event).toBe('done');
    };
    const changes = async (count: number): Promise<string[]> => {
      const seen: Change[] = [];
      while (seen.length < count) {
        const result = await backend.follow({ cursor, interest: null }, { signal: AbortSignal.timeout(15_000) });
        cursor = result.cursor;
        seen.push(...result.changes);
      }
      return seen.map((change) => `${change.kind} ${keyOf(change)}`);
    };
    const ordered = () =>
      expect
        .poll(async () => (await provider.command('orders')).filter(({ event }) => event === 'order'), {
          timeout: 15_000,
        })
        .toHaveLength(1);

    beforeAll(async () => {
      const port = await new Promise<number>((resolve) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
          const { port: free } = server.address() as { port: number };
          server.close(() => resolve(free));
        });
      });
      await start(port);
      store = await mpdStore();
      const url = uri.replace(/\/[^/]*$/, '');
      backend = await openMpd(store, url, { quirks: 'esa-12.2', subscribe: 'all', poll: '1h', sweep: '1h' });
      ({ cursor } = await backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(15_000) }));
    });
    afterAll(async () => {
      await backend?.close();
      await store?.close();
      await provider?.stop();
    });

    it('tells of new products and of the same reference published again', async () => {
      await ordered();
      await put('a:1');
      expect(await changes(1)).toEqual(['new a']);
      await put('a:1');
      expect(await changes(1)).toEqual(['republished a']);
      await put('a:2');
      expect(await changes(1)).toEqual(['updated a']);
    });

    it('subscribes and orders again after a restart, and finds what is gone', async () => {
      await provider.stop();
      await start(Number(new URL(uri.replace('maltcp', 'http')).port));
      await ordered();
      expect(await changes(1)).toEqual(['removed a']);
      await put('b:1');
      expect(await changes(1)).toEqual(['new b']);
    });
  },
);
