import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { formatTime } from '../../src/mal/index.js';
import { backendConformance } from '../../test/conformance/index.js';
import { javaMissing, startPeer } from '../../test/interop/java-peer.js';
import { mpdStore, openMpd, ordersAt } from './testing.js';

const missing = await javaMissing();
if (missing !== null) console.warn(`The mpd backend is NOT tested with ESA's provider: ${missing}`);

/** ESA's Java provider, which keeps every version of a product and lists at most eleven at a time here. */
function withEsa(encoding: 'fixed' | 'variable'): void {
  backendConformance(`mpd, ESA's provider, ${encoding} encoding`, {
    key: (n) => `product-${n}.dat`,
    upstream: true,
    skip: {
      awkwardNames: "the provider's commands take no such names",
      remove: 'the provider removes nothing',
      touch: 'the provider has no metadata that change alone',
      outage: 'the provider keeps its products in memory: away is gone',
    },
    async create() {
      const provider = await startPeer(
        'EsaProvider',
        ['--encoding', encoding, '--empty', '--limit', '11', '--domain', 'local'],
        ['done', 'error'],
      );
      const ready = await provider.waitFor(({ event }) => event === 'ready');
      const { uri } = (ready.services as { ProductRetrieval: { uri: string } }).ProductRetrieval;
      const url = new URL('/', uri.replace('maltcp', 'http')).href.replace('http', 'maltcp');
      const folder = await mkdtemp(join(tmpdir(), 'mpd-esa-'));
      const store = await mpdStore();
      const open = () => openMpd(store, url, { encoding, quirks: 'esa-12.2' });
      let backend = await open();
      const upstream = ordersAt(url, `binary-${encoding}`);
      const held = new Map<string, { readonly bytes: Uint8Array; readonly version: number }>();
      let count = 0;

      return {
        upstream,
        get backend() {
          return backend;
        },
        async put(key, bytes, { created, content, source } = {}) {
          const before = held.get(key);
          const same = before !== undefined && Buffer.compare(before.bytes, bytes) === 0;
          const version = before === undefined ? 1 : before.version + (same ? 0 : 1);
          held.set(key, { bytes, version });
          const file = join(folder, String(count++));
          await writeFile(file, bytes);
          const at = formatTime(created ?? 1_600_000_000_000_000_000n + BigInt(count) * 1_000_000_000n);
          const during =
            content === undefined ? '' : `--content ${formatTime(content.start)}..${formatTime(content.end)}`;
          const from = source === undefined ? '' : `--source "${source}"`;
          const done = await provider.command(
            `put "local:${key}:${version}" --file ${file} --created ${at} ${during} ${from}`,
          );
          if (done.at(-1)?.event !== 'done') throw new Error(JSON.stringify(done));
        },
        async remove() {
          throw new Error('nothing is removed');
        },
        async restart(meanwhile) {
          await backend.close();
          await meanwhile();
          backend = await open();
          return backend;
        },
        async close() {
          await backend.close();
          await upstream.close();
          await store.close();
          await provider.stop();
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  });
}

if (missing === null) {
  withEsa('fixed');
  withEsa('variable');
} else {
  describe.skip(`backend conformance: mpd, ESA's provider (${missing})`, () => {
    it('lists, opens and follows', () => {});
  });
}
