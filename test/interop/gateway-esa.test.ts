import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Product } from '../../src/mpd/index.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { HELD_PRODUCTS, type HeldProducts, heldProducts } from './held-products.js';
import { type Event, type JavaPeer, javaMissing, startPeer } from './java-peer.js';
import { product } from './products.js';

/** ESA's Java consumer against a whole gateway over maltcp: every operation, error and duty, in all three encodings. */

const missing = await javaMissing();
if (missing !== null) console.warn(`The gateway is NOT tested with ESA's consumer: ${missing}`);

const MiB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytes = (size: number): Uint8Array => new Uint8Array(size).map((_, i) => (i * 31) >>> 3);
const large = bytes(MiB);
const huge = bytes(32 * MiB);
const sized = (given: Product, mime = 'application/octet-stream'): Product => ({
  ...given,
  productMetadata: {
    ...given.productMetadata,
    fileMetadata: { updateDate: 0n, mime, fileSize: BigInt(given.productBody.length) },
  },
});

const products: readonly Product[] = [
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
      wait: { type: 'Duration', value: 1_500_000_000n },
      ulong: { type: 'ULong', value: 2n ** 64n - 1n },
      fine: { type: 'FineTime', value: 1_700_000_000_123_456_789n },
      ref: { type: 'ObjectRef', value: { domain: ['a'], type: 'Product', key: 'k', version: 4294967295 } },
    },
  }),
  sized(product('large', { domain: ['test', 'big'], body: large, type: 'large' })),
  sized(product('huge', { domain: ['test', 'big'], body: huge, type: 'large' })),
  sized(product('too-large', { domain: ['test', 'big'], body: bytes(33 * MiB), type: 'large' })),
  product('silent', { domain: ['test', 'big'], body: bytes(33 * MiB), type: 'large' }),
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
  `ESA's consumer of a whole gateway, %s encoding${missing === null ? '' : ` (${missing})`}`,
  (encoding) => {
    const id = `held-${encoding}-${randomUUID()}`;
    let held: HeldProducts;
    let gateway: TestGateway;
    let consumer: JavaPeer;

    const config = (port: number): Record<string, unknown> => ({
      listen: { http: { port: 0 }, maltcp: { port } },
      limits: { mal: { maxBody: '32MiB' } },
      access: {
        principals: [{ id: 'operator', role: 'operator' }, { id: 'esa' }],
        mal: [{ cidr: '127.0.0.1/32', principal: 'esa', user: 'asserted' }],
      },
      backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
    });
    const start = (): Promise<JavaPeer> =>
      startPeer(
        'EsaConsumer',
        ['--base', `${gateway.urls.maltcp}/`, '--encoding', encoding, '--timeout', '30000', '--wait', '30000'],
        ['end'],
      );

    beforeAll(async () => {
      held = heldProducts(id);
      for (const each of [...products, ...many]) held.put(each);
      gateway = await testGateway({ config: config(0) });
      consumer = await start();
    }, 120_000);
    afterAll(async () => {
      await consumer?.stop();
      await gateway?.close();
    });

    const of = (events: readonly Event[], kind: string): Event[] => events.filter((event) => event.event === kind);
    const run = async (line: string, by = consumer): Promise<readonly Event[]> => {
      const events = await by.command(line);
      expect(of(events, 'error')).toEqual([]);
      return events;
    };
    const keyOf = (metadata: unknown): string => (metadata as { productRef: { key: string } }).productRef.key;
    const keys = async (line: string): Promise<string[]> =>
      of(await run(`list ${line}`), 'product')
        .map((event) => keyOf(event.metadata))
        .sort();
    const error = async (line: string): Promise<{ stage: unknown; number: unknown; extra: unknown }> => {
      const events = of(await consumer.command(line), 'error');
      expect(events).toHaveLength(1);
      const { number, extra } = events[0]!.error as { number: number; extra: unknown };
      return { stage: events[0]!.stage, number, extra };
    };
    const order = async (line: string, by = consumer): Promise<string> =>
      of(await run(`submit ${line}`, by), 'result')[0]!.orderID as string;
    const target = (folder: string): string => {
      mkdirSync(join(gateway.delivered, folder), { recursive: true });
      return `file://${join(gateway.delivered, folder)}`;
    };

    it('lists by type, domain, source, time and all three kinds of attribute filter', async () => {
      expect(await keys('--type image')).toEqual(['img-001', 'img-002']);
      expect(await keys('--domain test.alpha')).toEqual(['img-001', 'img-002']);
      expect(await keys('--domain test')).toEqual([]);
      expect(await keys('--domain test.beta.*')).toEqual(['dump-17', 'with "every" field/é世']);
      expect(await keys('--domain elsewhere')).toEqual([]);
      expect(await keys('--source camera')).toEqual(['img-001']);
      expect(await keys('--type *')).toEqual([]);
      expect(await keys('--type no-such-type')).toEqual([]);
      expect(await keys('--type image --created 2024-06-01T00:00:00.123Z..2024-06-01T00:00:00.123Z')).toEqual([
        'img-002',
      ]);
      expect(await keys('--type image --content 2024-05-02T00:00:00Z..2024-05-31T00:00:00Z')).toEqual(['img-001']);
      expect(await keys('--type image --empty-filters')).toEqual(['img-001', 'img-002']);
      expect(await keys('--in subject=String:Earth|Mars')).toEqual(['img-001']);
      expect(await keys('--not-in subject=String:Earth')).toEqual(['img-002']);
      expect(await keys('--between band=Long:3..6')).toEqual(['img-001']);
      expect(await keys('--between band=UInteger:4..')).toEqual(['img-002']);
      expect(await keys('--not-between band=Integer:..5')).toEqual(['img-002']);
      expect(await keys('--like subject=oo')).toEqual(['img-002']);
      expect(await keys('--not-like subject=^E')).toEqual(['img-002']);
    });

    it('shows every field as the backend has it', async () => {
      const [event] = of(await run('list --type odd'), 'product');
      expect(event).toMatchObject({
        metadata: {
          productRef: { domain: ['test', 'beta', 'sub'], key: 'with "every" field/é世', version: 4294967295 },
          source: null,
          externalURI: null,
          attributes: [
            { name: 'none', value: null },
            { name: 'blob', value: { type: 'Blob' } },
            { name: 'wait', value: { type: 'Duration' } },
            { name: 'ulong', value: { type: 'ULong', value: '18446744073709551615' } },
            { name: 'fine', value: { type: 'FineTime', value: '1700000000123456789' } },
            { name: 'ref', value: { type: 'ObjectRef', value: { key: 'k', version: 4294967295 } } },
          ],
        },
      });
    });

    it('lists 10 000 entries; above that Too Many names the limit, and what is invalid names the field', async () => {
      expect(of(await run('list --type row'), 'product')).toHaveLength(10_000);
      const tooMany = await error('list');
      expect(tooMany).toMatchObject({ stage: 'call', number: 5, extra: { type: 'String' } });
      expect(JSON.stringify(tooMany.extra)).toContain('the limit is 10000');
      expect(await error('list --like subject=(')).toMatchObject({ number: 1, extra: { type: 'String' } });
      expect(await error('list --created 2024-02-01T00:00:00Z..2024-01-01T00:00:00Z')).toMatchObject({
        number: 1,
        extra: { value: 'creationDate: the window ends before it starts' },
      });
    });

    it('gets products, each in an update and in order: twice, empty, 1 MiB, 32 MiB, none', async () => {
      const events = await run('get test.alpha:img-001:1 test.beta:dump-17:1 test.alpha:img-001:1');
      expect(events[0]!.event).toBe('ack');
      const got = of(events, 'product').map((one) => one.product as { metadata: unknown; body: { length: number } });
      expect(got.map((one) => [keyOf(one.metadata), one.body.length])).toEqual([
        ['img-001', 3],
        ['dump-17', 0],
        ['img-001', 3],
      ]);
      const big = of(await run('get test.big:large:1 test.big:huge:1'), 'product').map(
        (event) => (event.product as { body: { sha256: string } }).body.sha256,
      );
      expect(big).toEqual([sha256(large), sha256(huge)]);
      expect(of(await run('get'), 'product')).toEqual([]);
    });

    it('learns of unknown references and bodies that are too large before anything is sent', async () => {
      const unknown = { stage: 'ack', number: 4, extra: [0, 2] };
      expect(await error('get test.alpha:nope:1 test.beta:dump-17:1 test.alpha:img-001:9')).toEqual(unknown);
      const to = target('unknown');
      expect(await error(`deliver --to ${to} test.x:nope:1 test.beta:dump-17:1 test.x:y:1`)).toEqual(unknown);
      const large = await error('get test.alpha:img-001:1 test.big:too-large:1');
      expect(large).toMatchObject({ stage: 'ack', number: 5 });
      expect(JSON.stringify(large.extra)).toMatch(/productRefs\[1\].*34603008 bytes.*deliverProductFiles/);
    });

    it('ends a getProducts of an unforeseen size with an error in place of the response', async () => {
      const events = await consumer.command('get test.alpha:img-001:1 test.big:silent:1');
      expect(events.map(({ event }) => event)).toEqual(['ack', 'product', 'error', 'end']);
      expect(events[2]).toMatchObject({ stage: 'response', error: { number: 5 } });
    });

    it('has files delivered, each reported; an unreachable or refused target is Delivery Failed before the ACK', async () => {
      const to = target('once');
      const events = await run(`deliver --to ${to} test.alpha:img-001:1 test.beta:dump-17:1`);
      expect(events[0]!.event).toBe('ack');
      expect(of(events, 'file').map(({ filename, success }) => [filename, success])).toEqual([
        ['img-001', true],
        ['dump-17', true],
      ]);
      expect(readFileSync(join(gateway.delivered, 'once', 'img-001'))).toEqual(Buffer.from([1, 2, 3]));
      for (const bad of [`file://${join(gateway.delivered, 'absent')}`, 'file:///etc', 'gopher://nowhere'])
        expect(await error(`deliver --to ${bad} test.alpha:img-001:1`)).toMatchObject({ stage: 'ack', number: 2 });
    });

    it('submits, lists and cancels orders; the id is the provider’s', async () => {
      const first = await order('--type image --domain test.alpha --user jane --order-id 42 --comments note');
      const second = await order(`--no-filter --user john --method FILETRANSFER --to ${target('in')}`);
      expect(Number(first)).toBeGreaterThan(0);
      expect(first).not.toBe('42');
      const listed = async (line: string): Promise<unknown[]> =>
        of(await run(`orders ${line}`), 'order').map((event) => (event.order as { orderID: string }).orderID);
      expect(await listed('')).toEqual([first, second]);
      expect(await listed('--user *')).toEqual([first, second]);
      expect(await listed('--user jane')).toEqual([first]);
      expect(await listed('--user jack')).toEqual([]);
      expect(await listed('--domain test.*')).toEqual([first, second]);
      expect(await listed('--domain esa.juice')).toEqual([second]);
      await run(`cancel ${first}`);
      expect(await listed('')).toEqual([second]);
      const gone = { stage: 'call', number: 4, extra: { type: 'Long', value: first } };
      expect(await error(`cancel ${first}`)).toEqual(gone);
      expect(await error('cancel 987654321')).toMatchObject({ number: 4, extra: { type: 'Long', value: '987654321' } });
      await run(`cancel ${second}`);
    });

    it('refuses orders that are invalid or cannot be created, and takes a folder that is yet to come', async () => {
      const to = target('in');
      expect(await error('submit --method FILETRANSFER')).toMatchObject({ number: 1, extra: { type: 'String' } });
      expect(await error(`submit --to ${to}`)).toMatchObject({ number: 1 });
      expect(await error(`submit --method SERVICE_JUST_METADATA --to ${to}`)).toMatchObject({ number: 1 });
      expect(await error('submit --valid 2030-01-01T00:00:00Z..2029-01-01T00:00:00Z')).toMatchObject({ number: 1 });
      expect(await error('submit --like subject=(')).toMatchObject({ number: 1 });
      expect(await error('submit --method FILETRANSFER --to gopher://x')).toMatchObject({ number: 3 });
      expect(await error('submit --method FILETRANSFER --to file:///etc')).toMatchObject({ number: 3 });
      const later = await order(`--method FILETRANSFER --to file://${join(gateway.delivered, 'later')}`);
      await run(`cancel ${later}`);
    });

    it('hears of new products by user and order within half a second, and no more once it has deregistered', async () => {
      const jane = await order('--type fresh --user jane');
      const john = await order('--type fresh --user john');
      const bare = await order('--type fresh --user jane --method SERVICE_JUST_METADATA');
      const files = await order(`--type fresh --user jane --method FILETRANSFER --to ${target('fresh')}`);
      await run('watch --background --op both --sub all');
      await run('watch --background --op deliver --sub john --user john');
      await run(`watch --background --op deliver --sub id --order-id ${bare}`);
      await run('watch --background --op deliver --sub trimmed --user jane --key orderID');
      await run('watch --background --op deliver --sub elsewhere --domain other.*');
      await run('watch --background --op deliver --sub below --domain test.*');
      const from = consumer.events.length;
      const before = Date.now();
      held.put(product('fresh-1', { type: 'fresh', body: large }));
      await consumer.waitFor((event) => event.event === 'delivery', from);
      expect(Date.now() - before).toBeLessThan(500);
      await consumer.waitFor((event) => event.event === 'notification', from);
      await run('sleep 300');
      const seen = consumer.events.slice(from);
      const deliveries = of(seen, 'delivery').map((event) => {
        const { keyValues, domain } = event.header as { keyValues: { value: string }[]; domain: string[] };
        expect(domain).toEqual(['test', 'alpha']);
        const { body } = event.product as { body: { length: number } };
        return `${event.subscription} ${keyValues.map((key) => key.value).join('/')} ${body.length}`;
      });
      expect(deliveries.sort()).toEqual(
        [
          `all jane/${jane} ${MiB}`,
          `all john/${john} ${MiB}`,
          `all jane/${bare} 0`,
          `below jane/${jane} ${MiB}`,
          `below john/${john} ${MiB}`,
          `below jane/${bare} 0`,
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
          deliveredTo: target('fresh'),
          success: true,
        },
      ]);
      expect(readFileSync(join(gateway.delivered, 'fresh', 'fresh-1')).equals(large)).toBe(true);

      await run('unwatch --op deliver --sub john');
      const after = consumer.events.length;
      held.put(product('fresh-2', { type: 'fresh' }));
      await consumer.waitFor((event) => event.event === 'notification', after);
      await run('sleep 300');
      const second = of(consumer.events.slice(after), 'delivery');
      expect(second.some((event) => event.subscription === 'john')).toBe(false);
      expect(second.filter((event) => event.subscription === 'all')).toHaveLength(3);
      for (const sub of ['id', 'trimmed', 'elsewhere', 'below']) await run(`unwatch --op deliver --sub ${sub}`);
      await run('unwatch --sub all');
      for (const each of [jane, john, bare, files]) await run(`cancel ${each}`);
    });

    it('keeps orders over a restart; a consumer that registers again hears of what comes then', async () => {
      const kept = await order('--type after --user jane --method SERVICE_JUST_METADATA');
      await run('watch --background --op deliver --sub before');
      const port = Number(new URL(gateway.urls.maltcp!.replace('maltcp', 'tcp')).port);
      await gateway.stop();
      const restarted = await testGateway({ config: config(port), share: gateway });
      try {
        const again = await start();
        // Before it, nothing on this connection tells the encoding: two NULLs are the same bytes in all of them.
        expect(of(await run('list --type after', again), 'product')).toEqual([]);
        const listed = of(await run('orders', again), 'order');
        expect(listed.map((event) => (event.order as { orderID: string }).orderID)).toEqual([kept]);
        await run('watch --background --op deliver --sub again', again);
        const from = again.events.length;
        held.put(product('after-1', { type: 'after' }));
        const delivery = await again.waitFor((event) => event.event === 'delivery', from);
        expect(delivery).toMatchObject({ subscription: 'again', header: { keyValues: [{}, { value: kept }] } });
        await run(`cancel ${kept}`, again);
        await again.stop();
      } finally {
        await restarted.close();
      }
    });
  },
);

describe.skipIf(missing !== null)(
  `ESA's consumer of a whole gateway over malhttp${missing === null ? '' : ` (${missing})`}`,
  () => {
    it('lists, orders, cancels and hears of new products', async () => {
      const id = `held-malhttp-${randomUUID()}`;
      const held = heldProducts(id);
      for (const each of products.slice(0, 3)) held.put(each);
      const gateway = await testGateway({
        config: {
          listen: { http: { enabled: false }, malhttp: { port: 0 } },
          access: {
            principals: [{ id: 'operator', role: 'operator' }, { id: 'esa' }],
            mal: [{ cidr: '127.0.0.1/32', principal: 'esa', user: 'asserted' }],
          },
          backends: [{ id, kind: 'module', module: HELD_PRODUCTS, domain: ['test'] }],
        },
      });
      const consumer = await startPeer('EsaConsumer', ['--base', `${gateway.urls.malhttp}/`], ['end']);
      try {
        const run = async (line: string): Promise<readonly Event[]> => {
          const events = await consumer.command(line);
          expect(events.filter(({ event }) => event === 'error')).toEqual([]);
          return events;
        };
        expect((await run('list --type image')).filter(({ event }) => event === 'product')).toHaveLength(2);
        const submitted = await run('submit --type fresh --user jane --method SERVICE_JUST_METADATA');
        const orderID = submitted.find(({ event }) => event === 'result')!.orderID as string;
        expect((await run('orders')).filter(({ event }) => event === 'order')).toHaveLength(1);
        await run('watch --background --op deliver --sub all');
        const from = consumer.events.length;
        held.put(product('fresh-1', { type: 'fresh' }));
        expect(await consumer.waitFor(({ event }) => event === 'delivery', from)).toMatchObject({
          header: { keyValues: [{ value: 'jane' }, { value: orderID }] },
        });
        await run(`cancel ${orderID}`);
        const again = await consumer.command(`cancel ${orderID}`);
        expect(again[0]).toMatchObject({
          event: 'error',
          error: { number: 4, extra: { type: 'Long', value: orderID } },
        });
      } finally {
        await consumer.stop();
        await gateway.close();
      }
    });
  },
);
