import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Event, type JavaPeer, javaMissing, startPeer } from './java-peer.js';
import { type MemoryProvider, startMemoryProvider } from './memory-provider.js';
import { product } from './products.js';

/** ESA's Java consumer against our provider, over maltcp: every operation and error, all three encodings. */

const missing = await javaMissing();
if (missing !== null) console.warn(`ESA's consumer is NOT tested: ${missing}`);

const MiB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytes = (size: number): Uint8Array => new Uint8Array(size).map((_, i) => (i * 31) >>> 3);
const large = bytes(MiB);
const huge = bytes(32 * MiB);

const products = [
  product('img-001', {
    source: 'camera',
    attributes: {
      subject: { type: 'String', value: 'Earth' },
      band: { type: 'Integer', value: 3 },
      weight: { type: 'Double', value: 1.5 },
    },
  }),
  product('img-002', {
    version: 2,
    created: '2024-06-01T00:00:00.123Z',
    content: ['2024-06-01T00:00:00Z', '2024-06-02T00:00:00Z'],
    attributes: { subject: { type: 'Identifier', value: 'Moon' }, band: { type: 'UInteger', value: 7 } },
  }),
  product('dump-17', { domain: ['test', 'beta'], type: 'packetDump', body: new Uint8Array(0) }),
  product('with "every" field/é世', {
    domain: ['test', 'beta', 'sub'],
    version: 4294967295,
    type: 'odd',
    attributes: {
      none: null,
      blob: { type: 'Blob', value: new Uint8Array([0, 255]) },
      yes: { type: 'Boolean', value: true },
      wait: { type: 'Duration', value: 1_500_000_000n },
      long: { type: 'Long', value: -(2n ** 63n) },
      ulong: { type: 'ULong', value: 2n ** 64n - 1n },
      fine: { type: 'FineTime', value: 1_700_000_000_123_456_789n },
      ref: { type: 'ObjectRef', value: { domain: ['a'], type: 'Product', key: 'k', version: 4294967295 } },
      uri: { type: 'URI', value: 'http://example.int/é' },
      octet: { type: 'Octet', value: -128 },
      float: { type: 'Float', value: 0.5 },
    },
  }),
  product('large', { domain: ['test', 'big'], body: large, type: 'large' }),
  product('huge', { domain: ['test', 'big'], body: huge, type: 'large' }),
];

const many = Array.from({ length: 10_000 }, (_, i) =>
  product(`row-${i}`, {
    domain: ['test', 'many'],
    type: 'row',
    attributes: { number: { type: 'Long', value: BigInt(i) } },
    body: new Uint8Array(0),
  }),
);

describe.skipIf(missing !== null).each(['fixed', 'variable', 'split'] as const)(
  `ESA's consumer over maltcp, %s encoding${missing === null ? '' : ` (${missing})`}`,
  (encoding) => {
    let provider: MemoryProvider;
    let consumer: JavaPeer;
    const start = (): Promise<JavaPeer> =>
      startPeer(
        'EsaConsumer',
        ['--base', `${provider.rootUri}/`, '--encoding', encoding, '--timeout', '20000', '--wait', '20000'],
        ['end'],
      );

    beforeAll(async () => {
      provider = await startMemoryProvider({ products: [...products, ...many], limit: 10_000 });
      consumer = await start();
    });
    afterAll(async () => {
      await consumer?.stop();
      await provider?.close();
    });

    const of = (events: readonly Event[], kind: string): Event[] => events.filter((event) => event.event === kind);
    const run = async (line: string, by = consumer): Promise<readonly Event[]> => {
      const events = await by.command(line);
      expect(of(events, 'error')).toEqual([]);
      return events;
    };
    const keys = async (line: string): Promise<string[]> =>
      of(await run(`list ${line}`), 'product')
        .map((event) => keyOf(event.metadata))
        .sort();
    const keyOf = (metadata: unknown): string => (metadata as { productRef: { key: string } }).productRef.key;
    const error = async (line: string): Promise<{ stage: unknown; number: unknown; extra: unknown }> => {
      const events = of(await consumer.command(line), 'error');
      expect(events).toHaveLength(1);
      const { number, extra } = events[0]!.error as { number: number; extra: unknown };
      return { stage: events[0]!.stage, number, extra };
    };

    it('lists by type, domain, source and time, with null and empty fields', async () => {
      expect(await keys('--type image')).toEqual(['img-001', 'img-002']);
      expect(await keys('--domain test.alpha')).toEqual(['img-001', 'img-002']);
      expect(await keys('--domain test')).toEqual([]);
      expect(await keys('--domain test.beta.*')).toEqual(['dump-17', 'with "every" field/é世']);
      expect(await keys('--source camera')).toEqual(['img-001']);
      expect(await keys('--type * ')).toEqual([]);
      expect(await keys('--type image --created 2024-06-01T00:00:00.123Z..2024-06-01T00:00:00.123Z')).toEqual([
        'img-002',
      ]);
      expect(await keys('--type image --content 2024-05-02T00:00:00Z..2024-05-31T00:00:00Z')).toEqual(['img-001']);
      expect(await keys('--type image --empty-filters')).toEqual(['img-001', 'img-002']);
    });

    it('lists by all three kinds of attribute filter, including and excluding', async () => {
      expect(await keys('--in subject=String:Earth|Mars')).toEqual(['img-001']);
      expect(await keys('--in subject=String:Moon')).toEqual(['img-002']);
      expect(await keys('--not-in subject=String:Earth')).toEqual(['img-002']);
      expect(await keys('--between band=Long:3..6')).toEqual(['img-001']);
      expect(await keys('--between band=UInteger:4..')).toEqual(['img-002']);
      expect(await keys('--not-between band=Integer:..5')).toEqual(['img-002']);
      expect(await keys('--like subject=oo')).toEqual(['img-002']);
      expect(await keys('--not-like subject=^E')).toEqual(['img-002']);
      expect(await keys('--in subject=String:Earth --between weight=Double:1.5..1.5')).toEqual(['img-001']);
    });

    it('shows every field and attribute type as it was', async () => {
      const [event] = of(await run('list --type odd'), 'product');
      const { metadata } = event as unknown as { metadata: Record<string, unknown> };
      expect(metadata).toMatchObject({
        productRef: { domain: ['test', 'beta', 'sub'], key: 'with "every" field/é世', version: 4294967295 },
        source: null,
        attributes: [
          { name: 'none', value: null },
          { name: 'blob', value: { type: 'Blob' } },
          { name: 'yes', value: { type: 'Boolean', value: true } },
          { name: 'wait', value: { type: 'Duration' } },
          { name: 'long', value: { type: 'Long', value: '-9223372036854775808' } },
          { name: 'ulong', value: { type: 'ULong', value: '18446744073709551615' } },
          { name: 'fine', value: { type: 'FineTime', value: '1700000000123456789' } },
          { name: 'ref', value: { type: 'ObjectRef', value: { key: 'k', version: 4294967295 } } },
          { name: 'uri', value: { type: 'URI', value: 'http://example.int/é' } },
          { name: 'octet', value: { type: 'Octet', value: -128 } },
          { name: 'float', value: { type: 'Float', value: 0.5 } },
        ],
      });
    });

    it('gets a list of 10 000 entries, and Too Many above the limit', async () => {
      expect(of(await run('list --type row'), 'product')).toHaveLength(10_000);
      expect(await error('list')).toMatchObject({ stage: 'call', number: 5, extra: { type: 'String' } });
    });

    it('is told what is invalid', async () => {
      expect(await error('list --like subject=(')).toMatchObject({ number: 1, extra: { type: 'String' } });
      expect(await error('list --created 2024-02-01T00:00:00Z..2024-01-01T00:00:00Z')).toMatchObject({
        number: 1,
        extra: { value: 'creationDate: the window ends before it starts' },
      });
    });

    it('gets products: small, empty, 1 MiB and 32 MiB, each in an update, in order, twice if asked twice', async () => {
      const events = await run('get test.alpha:img-001:1 test.beta:dump-17:1 test.alpha:img-001:1');
      expect(events[0]!.event).toBe('ack');
      const got = of(events, 'product').map(
        (event) => event.product as { metadata: unknown; body: { length: number } },
      );
      expect(got.map((one) => keyOf(one.metadata))).toEqual(['img-001', 'dump-17', 'img-001']);
      expect(got.map((one) => one.body.length)).toEqual([3, 0, 3]);
      const big = of(await run('get test.big:large:1 test.big:huge:1'), 'product').map(
        (event) => (event.product as { body: { sha256: string } }).body.sha256,
      );
      expect(big).toEqual([sha256(large), sha256(huge)]);
      expect(of(await run('get'), 'product')).toEqual([]);
    });

    it('is told which references are unknown, before anything is delivered', async () => {
      const unknown = { stage: 'ack', number: 4, extra: [0, 2] };
      expect(await error('get test.alpha:nope:1 test.beta:dump-17:1 test.alpha:img-001:9')).toEqual(unknown);
      expect(await error('deliver --to file:///reachable test.x:nope:1 test.beta:dump-17:1 test.x:y:1')).toEqual(
        unknown,
      );
    });

    it('has files delivered, or learns that the target cannot be reached', async () => {
      const events = await run('deliver --to file:///reachable test.alpha:img-001:1 test.beta:dump-17:1');
      expect(of(events, 'file').map(({ filename, success }) => [filename, success])).toEqual([
        ['img-001', true],
        ['dump-17', true],
      ]);
      expect(await error('deliver --to ftp://nowhere test.alpha:img-001:1')).toMatchObject({ stage: 'ack', number: 2 });
    });

    it('submits, lists and cancels orders', async () => {
      const id = async (line: string): Promise<string> =>
        of(await run(`submit ${line}`), 'result')[0]!.orderID as string;
      const first = await id('--type image --user jane --order-id 42 --comments note');
      const second = await id('--no-filter --user john --method FILETRANSFER --to file:///reachable/in');
      expect(first).not.toBe('42');
      const listed = async (line: string): Promise<unknown[]> =>
        of(await run(`orders ${line}`), 'order').map((event) => (event.order as { orderID: string }).orderID);
      expect(await listed('')).toEqual([first, second]);
      expect(await listed('--user *')).toEqual([first, second]);
      expect(await listed('--user jane')).toEqual([first]);
      await run(`cancel ${first}`);
      expect(await error(`cancel ${first}`)).toEqual({
        stage: 'call',
        number: 4,
        extra: { type: 'Long', value: first },
      });
      await run(`cancel ${second}`);
      expect(await error('submit --method FILETRANSFER')).toMatchObject({ number: 1 });
      expect(await error('submit --to file:///reachable')).toMatchObject({ number: 1 });
      expect(await error('submit --method FILETRANSFER --to gopher://x')).toMatchObject({ number: 3 });
    });

    it('is notified by user and order, within half a second, and no more once it has deregistered', async () => {
      const order = async (line: string): Promise<string> =>
        of(await run(`submit --type fresh ${line}`), 'result')[0]!.orderID as string;
      const jane = await order('--user jane');
      const john = await order('--user john');
      const bare = await order('--user jane --method SERVICE_JUST_METADATA');
      const files = await order('--user jane --method FILETRANSFER --to file:///reachable/in');
      await run('watch --background --op both --sub all');
      await run(`watch --background --op deliver --sub john --user john`);
      await run(`watch --background --op deliver --sub id --order-id ${bare}`);
      await run(`watch --background --op deliver --sub trimmed --user jane --key orderID`);
      await run(`watch --background --op deliver --sub elsewhere --domain other.*`);
      const from = consumer.events.length;
      const before = Date.now();
      provider.put(product('fresh-1', { type: 'fresh', body: large }));
      await consumer.waitFor((event) => event.event === 'notification', from);
      expect(Date.now() - before).toBeLessThan(500);
      await run('sleep 200');
      const seen = consumer.events.slice(from);
      const deliveries = of(seen, 'delivery').map((event) => {
        const { keyValues } = event.header as { keyValues: { value: string }[] };
        const { body } = event.product as { body: { length: number } };
        return `${event.subscription} ${keyValues.map((key) => key.value).join('/')} ${body.length}`;
      });
      expect(deliveries.sort()).toEqual(
        [
          `all jane/${jane} ${MiB}`,
          `all john/${john} ${MiB}`,
          `all jane/${bare} 0`,
          `john john/${john} ${MiB}`,
          `id jane/${bare} 0`,
          `trimmed ${jane} ${MiB}`,
          `trimmed ${bare} 0`,
        ].sort(),
      );
      expect(of(seen, 'notification')).toMatchObject([
        {
          subscription: 'all-notify',
          header: { domain: ['test', 'alpha'], keyValues: [{ value: 'jane' }, { value: files }] },
          filename: 'fresh-1',
          deliveredTo: 'file:///reachable/in',
          success: true,
        },
      ]);
      await run('unwatch --op deliver --sub john');
      const after = consumer.events.length;
      provider.put(product('fresh-1', { type: 'fresh' }));
      await consumer.waitFor((event) => event.event === 'notification', after);
      await run('sleep 200');
      const second = consumer.events.slice(after).filter((event) => event.event === 'delivery');
      expect(second.some((event) => event.subscription === 'john')).toBe(false);
      expect(second.filter((event) => event.subscription === 'all')).toHaveLength(3);
      for (const id of ['id', 'trimmed', 'elsewhere']) await run(`unwatch --op deliver --sub ${id}`);
      await run('unwatch --sub all');
      expect(provider.broker.subscriptions).toBe(0);
      for (const id of [jane, john, bare, files]) await run(`cancel ${id}`);
    });

    it('may go without deregistering: its subscriptions end with its connection', async () => {
      const passing = await start();
      await run('watch --background --op both --sub left', passing);
      expect(provider.broker.subscriptions).toBe(2);
      await passing.stop();
      const end = Date.now() + 5000;
      while (provider.broker.subscriptions > 0 && Date.now() < end) await new Promise((r) => setTimeout(r, 20));
      expect(provider.broker.subscriptions).toBe(0);
    });
  },
);
