import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Product } from '../../src/mpd/index.js';
import { type ConsumerHost, consumerHost, RESULTS } from './consumer-hosts.js';
import { type Event, type JavaPeer, javaMissing, startPeer } from './java-peer.js';
import { product } from './products.js';
import { ESA_LOSES, ESA_LOSES_TOGETHER, esaMode, type Row, rows, titleOf } from './rows.js';
import { setUpAfterFailures, triesWith } from './tries.js';

/** ESA's Java consumer at a whole gateway, and at the wire alone: every operation and error, every way to speak. */

const missing = await javaMissing();
if (missing !== null) console.warn(`ESA's consumer is NOT tested: ${missing}`);

const MiB = 1024 * 1024;
const WAIT = { timeout: 20_000, interval: 20 };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytes = (size: number): Uint8Array => new Uint8Array(size).map((_, i) => (i * 31) >>> 3);
const large = bytes(MiB);
const huge = bytes(32 * MiB);
const sized = (given: Product): Product => ({
  ...given,
  productMetadata: {
    ...given.productMetadata,
    fileMetadata: { updateDate: 0n, mime: 'application/octet-stream', fileSize: BigInt(given.productBody.length) },
  },
});

const some = [
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
  sized(product('large', { domain: ['test', 'big'], body: large, type: 'large' })),
  sized(product('huge', { domain: ['test', 'big'], body: huge, type: 'large' })),
  sized(product('too-large', { domain: ['test', 'big'], body: bytes(33 * MiB), type: 'large' })),
  product('silent', { domain: ['test', 'big'], body: bytes(33 * MiB), type: 'large' }),
];
const many = Array.from({ length: RESULTS }, (_, i) =>
  product(`row-${i}`, {
    domain: ['test', 'many'],
    type: 'row',
    attributes: { number: { type: 'Long', value: BigInt(i) } },
    body: new Uint8Array(0),
  }),
);

/** The wire alone shows what the gateway adds nothing to: one encoding of each way is enough there. */
const TESTED = [
  ...rows({ consumer: "ESA's consumer", provider: 'our gateway' }).filter(({ mode }) => mode !== 'no-response'),
  ...rows({ consumer: "ESA's consumer", provider: 'our wire' }).filter(({ encoding }) => encoding === 'split'),
  ...rows({ consumer: "ESA's consumer", provider: 'our gateway' }).filter(
    ({ mode, encoding }) => mode === 'no-response' && encoding === 'fixed',
  ),
];

for (const row of TESTED)
  describe.skipIf(missing !== null)(
    `${titleOf(row)}${missing === null ? '' : ` (${missing})`}`,
    triesWith(row.transport),
    () => suite(row),
  );

function suite(row: Row): void {
  const isHttp = row.transport === 'malhttp';
  const isGateway = row.provider === 'our gateway';
  /** Large lists and restarts are the same over all ways of a transport. */
  const isWhole = !isHttp || (row.mode === 'request-response' && row.encoding === 'fixed');
  const progress = (title: string, run: () => Promise<void>) =>
    isHttp ? it.skip(`${title} (${ESA_LOSES})`, run) : it(title, run);
  let host: ConsumerHost;
  let consumer: JavaPeer;
  const start = (...flags: string[]): Promise<JavaPeer> =>
    startPeer(
      'EsaConsumer',
      [
        ...['--base', `${host.root}/`, '--encoding', row.encoding, '--http-mode', esaMode(row.mode)],
        ...['--timeout', isHttp ? '10000' : '30000', '--wait', '30000', ...flags],
      ],
      ['end'],
    );

  setUpAfterFailures(
    async () => {
      host = await consumerHost(row, isWhole ? [...some, ...many] : some.slice(0, 4));
      consumer = await start();
    },
    async () => {
      await consumer?.stop();
      await host?.close();
    },
  );

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
  const error = async (line: string, by = consumer): Promise<{ stage: unknown; number: unknown; extra: unknown }> => {
    const events = of(await by.command(line), 'error');
    expect(events).toHaveLength(1);
    const { number, extra } = events[0]!.error as { number: number; extra: unknown };
    return { stage: events[0]!.stage, number, extra };
  };
  const order = async (line: string, by = consumer): Promise<string> =>
    of(await run(`submit ${line}`, by), 'result')[0]!.orderID as string;
  const listed = async (line: string, by = consumer): Promise<string[]> =>
    of(await run(`orders ${line}`, by), 'order').map((event) => (event.order as { orderID: string }).orderID);

  it('listProducts: by type, domain, source and time, with NULL fields, empty lists and nothing found', async () => {
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
  });

  it('listProducts: by ValueSet, ValueRange and StringPattern, including and excluding', async () => {
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

  it('listProducts: shows every field and attribute type as it was', async () => {
    const [event] = of(await run('list --type odd'), 'product');
    expect(event).toMatchObject({
      metadata: {
        productRef: { domain: ['test', 'beta', 'sub'], key: 'with "every" field/é世', version: 4294967295 },
        source: null,
        externalURI: null,
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
      },
    });
  });

  it.runIf(isWhole)('listProducts: 10 000 entries; above that Too Many names the limit', async () => {
    expect(of(await run('list --type row'), 'product')).toHaveLength(RESULTS);
    const tooMany = await error('list');
    expect(tooMany).toMatchObject({ stage: 'call', number: 5, extra: { type: 'String' } });
    expect(JSON.stringify(tooMany.extra)).toContain(String(RESULTS));
  });

  it('listProducts: Invalid names the field', async () => {
    expect(await error('list --like subject=(')).toMatchObject({ stage: 'call', number: 1, extra: { type: 'String' } });
    expect(await error('list --created 2024-02-01T00:00:00Z..2024-01-01T00:00:00Z')).toMatchObject({
      number: 1,
      extra: { value: 'creationDate: the window ends before it starts' },
    });
  });

  it('listProducts: Destination Unknown at an endpoint that there is not', async () => {
    const lost = await start('--pr', 'Nowhere', '--timeout', '3000');
    try {
      expect((await error('list --type image', lost)).number).toBe(65539);
    } finally {
      await lost.stop();
    }
  });

  progress(
    'getProducts: small, empty, 1 MiB, 32 MiB, none; each in an update, in order, twice if asked twice',
    async () => {
      const events = await run('get test.alpha:img-001:1 test.beta:dump-17:1 test.alpha:img-001:1');
      expect(events[0]!.event).toBe('ack');
      const got = of(events, 'product').map(
        (event) => event.product as { metadata: unknown; body: { length: number } },
      );
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
    },
  );

  it('getProducts, deliverProductFiles: unknown references by their indexes, before anything is sent', async () => {
    const unknown = { stage: 'ack', number: 4, extra: [0, 2] };
    expect(await error('get test.alpha:nope:1 test.beta:dump-17:1 test.alpha:img-001:9')).toEqual(unknown);
    const to = host.target('unknown');
    expect(await error(`deliver --to ${to} test.x:nope:1 test.beta:dump-17:1 test.x:y:1`)).toEqual(unknown);
  });

  if (isGateway && !isHttp) {
    it('getProducts: bodies that are too large, foreseen before the ACK, unforeseen in place of the response', async () => {
      const foreseen = await error('get test.alpha:img-001:1 test.big:too-large:1');
      expect(foreseen).toMatchObject({ stage: 'ack', number: 5 });
      expect(JSON.stringify(foreseen.extra)).toMatch(/productRefs\[1\].*34603008 bytes.*deliverProductFiles/);
      const events = await consumer.command('get test.alpha:img-001:1 test.big:silent:1');
      expect(events.map(({ event }) => event)).toEqual(['ack', 'product', 'error', 'end']);
      expect(events[2]).toMatchObject({ stage: 'response', error: { number: 5 } });
    });
  }

  progress('deliverProductFiles: each file reported in order', async () => {
    const to = host.target('once');
    const events = await run(`deliver --to ${to} test.alpha:img-001:1 test.beta:dump-17:1`);
    expect(events[0]!.event).toBe('ack');
    expect(of(events, 'file').map(({ filename, success }) => [filename, success])).toEqual([
      ['img-001', true],
      ['dump-17', true],
    ]);
    if (isGateway) expect(readFileSync(`${fileURLToPath(to)}/img-001`)).toEqual(Buffer.from([1, 2, 3]));
  });

  it('deliverProductFiles: Delivery Failed before the ACK where the target cannot be reached or is refused', async () => {
    for (const bad of ['file:///nowhere/absent', 'gopher://nowhere'])
      expect(await error(`deliver --to ${bad} test.alpha:img-001:1`)).toMatchObject({ stage: 'ack', number: 2 });
  });

  it('submitStandingOrder, listStandingOrders, cancelStandingOrder: by user and domain; the id is the provider’s', async () => {
    expect(await listed('')).toEqual([]);
    const first = await order('--type image --domain test.alpha --user jane --order-id 42 --comments note');
    const second = await order(`--no-filter --user john --method FILETRANSFER --to ${host.target('in')}`);
    expect(Number(first)).toBeGreaterThan(0);
    expect(first).not.toBe('42');
    expect(await listed('')).toEqual([first, second]);
    expect(await listed('--user *')).toEqual([first, second]);
    expect(await listed('--user jane')).toEqual([first]);
    expect(await listed('--user jack')).toEqual([]);
    expect(await listed('--domain test.*')).toEqual([first, second]);
    expect(await listed('--domain esa.juice')).toEqual([second]);
    await run(`cancel ${first}`);
    expect(await listed('')).toEqual([second]);
    await run(`cancel ${second}`);
    const gone = { stage: 'call', number: 4, extra: { type: 'Long', value: first } };
    expect(await error(`cancel ${first}`)).toEqual(gone);
    expect(await error('cancel 987654321')).toMatchObject({ number: 4, extra: { type: 'Long', value: '987654321' } });
  });

  it('submitStandingOrder: Invalid and Order Failed', async () => {
    const to = host.target('in');
    expect(await error('submit --method FILETRANSFER')).toMatchObject({ number: 1, extra: { type: 'String' } });
    expect(await error(`submit --to ${to}`)).toMatchObject({ number: 1 });
    expect(await error(`submit --method SERVICE_JUST_METADATA --to ${to}`)).toMatchObject({ number: 1 });
    expect(await error('submit --valid 2030-01-01T00:00:00Z..2029-01-01T00:00:00Z')).toMatchObject({ number: 1 });
    expect(await error('submit --like subject=(')).toMatchObject({ number: 1 });
    expect(await error('submit --method FILETRANSFER --to gopher://x')).toMatchObject({
      number: 3,
      extra: { type: 'String' },
    });
    expect(await error('submit --method FILETRANSFER --to file:///etc')).toMatchObject({ number: 3 });
  });

  const together = (title: string, run: () => Promise<void>) =>
    isHttp ? it.skip(`${title} (${ESA_LOSES_TOGETHER})`, run) : it(title, run);

  it('deliverProducts, notifyProductDelivery: by user and domain, until deregistered', async () => {
    const jane = await order('--type one --user jane');
    const files = await order(`--type two --user john --method FILETRANSFER --to ${host.target('one')}`);
    await run('watch --background --op deliver --sub w --user jane --domain test.*');
    await run('watch --background --op notify --sub n');
    for (const [n, size] of [
      [1, 0],
      [2, 100_000],
    ] as const) {
      const from = consumer.events.length;
      host.put(product(`one-${n}`, { type: 'one', body: new Uint8Array(size) }));
      expect(await consumer.waitFor((event) => event.event === 'delivery', from)).toMatchObject({
        subscription: 'w',
        header: { domain: ['test', 'alpha'], keyValues: [{ value: 'jane' }, { value: jane }] },
        product: { body: { length: size } },
      });
    }
    const from = consumer.events.length;
    host.put(product('two-1', { type: 'two' }));
    expect(await consumer.waitFor((event) => event.event === 'notification', from)).toMatchObject({
      header: { keyValues: [{ value: 'john' }, { value: files }] },
      filename: 'two-1',
      deliveredTo: host.target('one'),
      success: true,
    });
    await run('unwatch --op deliver --sub w');
    await run('unwatch --op notify --sub n');
    const after = consumer.events.length;
    host.put(product('one-3', { type: 'one' }));
    await run('sleep 500');
    expect(of(consumer.events.slice(after), 'delivery')).toEqual([]);
    for (const each of [jane, files]) await run(`cancel ${each}`);
  });

  together(
    'deliverProducts, notifyProductDelivery: by user, order, domain and selected keys, within half a second, until deregistered',
    async () => {
      const jane = await order('--type fresh --user jane');
      const john = await order('--type fresh --user john');
      const bare = await order('--type fresh --user jane --method SERVICE_JUST_METADATA');
      const files = await order(`--type fresh --user jane --method FILETRANSFER --to ${host.target('fresh')}`);
      await run('watch --background --op both --sub all');
      await run('watch --background --op deliver --sub john --user john');
      await run(`watch --background --op deliver --sub id --order-id ${bare}`);
      await run('watch --background --op deliver --sub trimmed --user jane --key orderID');
      await run('watch --background --op deliver --sub elsewhere --domain other.*');
      await run('watch --background --op deliver --sub below --domain test.*');
      const from = consumer.events.length;
      const before = Date.now();
      host.put(product('fresh-1', { type: 'fresh', body: large }));
      await consumer.waitFor((event) => event.event === 'delivery', from);
      expect(Date.now() - before).toBeLessThan(500);
      await expect.poll(() => of(consumer.events.slice(from), 'notification').length, WAIT).toBe(1);
      await expect.poll(() => of(consumer.events.slice(from), 'delivery').length, WAIT).toBeGreaterThanOrEqual(10);
      await run('sleep 200');
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
          deliveredTo: host.target('fresh'),
          success: true,
        },
      ]);
      await run('unwatch --op deliver --sub john');
      const after = consumer.events.length;
      host.put(product('fresh-2', { type: 'fresh' }));
      await expect.poll(() => of(consumer.events.slice(after), 'notification').length, WAIT).toBe(1);
      await expect
        .poll(
          () =>
            of(consumer.events.slice(after), 'delivery').filter(({ subscription }) => subscription === 'all').length,
          WAIT,
        )
        .toBe(3);
      await run('sleep 200');
      const second = of(consumer.events.slice(after), 'delivery');
      expect(second.some((event) => event.subscription === 'john')).toBe(false);
      expect(second.filter((event) => event.subscription === 'all')).toHaveLength(3);
      for (const sub of ['id', 'trimmed', 'elsewhere', 'below']) await run(`unwatch --op deliver --sub ${sub}`);
      await run('unwatch --sub all');
      for (const each of [jane, john, bare, files]) await run(`cancel ${each}`);
    },
  );

  it('deliverProducts: to others, when a consumer has gone without deregistering', async () => {
    const id = await order('--type left --user jane --method SERVICE_JUST_METADATA');
    const passing = await start();
    // Both at once are more than ESA's malhttp can tell apart.
    await run(`watch --background --op ${isHttp ? 'deliver' : 'both'} --sub left`, passing);
    await run('watch --background --op deliver --sub stays');
    await passing.stop();
    const from = consumer.events.length;
    for (let n = 0; n < 3; n++) {
      const at = consumer.events.length;
      host.put(product(`left-${n}`, { type: 'left' }));
      await consumer.waitFor((event) => event.event === 'delivery', at);
    }
    const heard = of(consumer.events.slice(from), 'delivery').filter(({ subscription }) => subscription === 'stays');
    expect(heard).toHaveLength(3);
    await run('unwatch --op deliver --sub stays');
    await run(`cancel ${id}`);
  });

  it.runIf(isWhole)(
    'listStandingOrders, deliverProducts: after a restart of the provider, once registered again',
    async () => {
      let kept = await order('--type after --user jane --method SERVICE_JUST_METADATA');
      await run('watch --background --op deliver --sub before');
      await host.restart();
      const again = await start();
      // Before it, nothing on a connection tells the encoding: two NULLs are the same bytes in all of them.
      expect(of(await run('list --type after', again), 'product')).toEqual([]);
      expect(await listed('', again)).toEqual(host.keepsOrders ? [kept] : []);
      if (!host.keepsOrders) kept = await order('--type after --user jane --method SERVICE_JUST_METADATA', again);
      await run('watch --background --op deliver --sub again', again);
      const from = again.events.length;
      host.put(product('after-1', { type: 'after' }));
      const delivery = await again.waitFor((event) => event.event === 'delivery', from);
      expect(delivery).toMatchObject({ subscription: 'again', header: { keyValues: [{}, { value: kept }] } });
      // The process that was subscribed before the restart registers again, too.
      await consumer.command('list --type after');
      await run('watch --background --op deliver --sub before');
      const since = consumer.events.length;
      host.put(product('after-2', { type: 'after' }));
      expect(await consumer.waitFor((event) => event.event === 'delivery', since)).toMatchObject({
        subscription: 'before',
      });
      await run(`cancel ${kept}`, again);
      await again.stop();
    },
  );
}
