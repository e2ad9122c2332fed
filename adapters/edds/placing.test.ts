import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ALTERNATIVE, type EddsSimulator, STANDARD } from '../../simulators/edds/index.js';
import type { OrderPlace } from '../../src/gateway/placement.js';
import type { HandOver } from '../../src/gateway/target.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import type { TestStore } from '../../src/store/testing.js';
import { describeWithService } from '../../test/services/index.js';
import { notWhole } from './arrivals.js';
import type { EddsTables } from './tables.js';
import { ALTERNATIVE_SITE, eddsStore, type OpenedEdds, openEdds, openSimulator } from './testing.js';

const SECRET = 'pass%word 9';
const account: HandOver = {
  ...{ scheme: 'sftp', host: '127.0.0.1', port: 9, directory: '/in', username: 'u' },
  password: () => SECRET,
};
const place = (change: Partial<OrderPlace> = {}): OrderPlace => ({
  ...{ deliverTo: 'sftp://127.0.0.1:9/in', state: 'active', policy: null, pathTemplate: null, form: null },
  handOver: () => account,
  list: async () => [],
  read: async () => null,
  ...change,
});
const tree = (attributeFilter: readonly object[]): FilterTree =>
  ({ filter: { productType: 'PktTmRaw', domain: null, sources: null, attributeFilter } }) as unknown as FilterTree;
const apid = (value: number) => ({
  type: 'ValueSet',
  name: 'apid',
  include: true,
  values: [{ type: 'UShort', value }],
});
const elements = { type: 'ValueRange', name: 'elements', include: true, start: { type: 'Long', value: 3n }, end: null };

for (const [shape, site] of [
  [STANDARD, {}],
  [ALTERNATIVE, ALTERNATIVE_SITE],
] as const)
  describe(`who sends the files of an order, ${shape.name} site`, () => {
    let store: TestStore<EddsTables>;
    let simulator: EddsSimulator;
    let edds: OpenedEdds;
    let lines: string[];
    let nextOrder = 1n;
    beforeAll(async () => {
      store = await eddsStore();
      simulator = await openSimulator({ shape });
    });
    afterEach(() => edds?.close());
    afterAll(async () => {
      await store?.close();
      await simulator?.stop();
    });

    /** What is shown of an order at this place. */
    const shown = async (
      given: OrderPlace | null,
      filter: FilterTree = tree([apid(1444)]),
      config: Record<string, unknown> = {},
    ): Promise<() => Promise<string | null | undefined>> => {
      lines = [];
      const stream = new PassThrough();
      stream.on('data', (line: Buffer) => lines.push(line.toString()));
      const all = { delivery: 'edds', arrival: 100, settle: 50, partSeconds: 1, site, ...config };
      edds = await openEdds(store, simulator, all, {
        places: async () => given,
        log: pino({ level: 'trace' }, stream),
      });
      await edds.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      const order = { orderId: nextOrder++, user: 'alice', filter, validity: null, remoteId: null };
      const id = await edds.backend.upstream!.ensure(order);
      return async () => (await edds.backend.upstream!.status(id)).details.Delivery;
    };

    it.each<[string, OrderPlace | null, FilterTree | undefined, object, string | undefined]>([
      ['EDDS, where nothing is in the way', place(), undefined, {}, 'EDDS sends'],
      ['the gateway, by default', place(), undefined, { delivery: 'gateway' }, undefined],
      ['the gateway, to an order that takes no files', null, undefined, {}, undefined],
      [
        'the gateway, to an order that wants another form',
        place({ form: 'csv' }),
        undefined,
        {},
        'the gateway sends: the order wants the form csv',
      ],
      [
        'the gateway, to an owner who may not see all of it',
        place({ policy: tree([apid(1420)]) }),
        undefined,
        {},
        'the gateway sends: the owner may not see all of it',
      ],
      [
        'the gateway, when the filter asks for what only a part tells',
        place(),
        tree([apid(1444), elements]),
        {},
        'the gateway sends: each part has to be seen before it goes out',
      ],
      [
        'the gateway, when the policy of the owner does',
        place({ policy: { created: { start: 0n, end: 9n } } as unknown as FilterTree }),
        undefined,
        {},
        'the gateway sends: each part has to be seen before it goes out',
      ],
      [
        'the gateway, by a scheme that EDDS does not know',
        place({ handOver: () => ({ ...account, scheme: 's3' }) }),
        undefined,
        {},
        'the gateway sends: EDDS does not send by s3 (site.delivery.protocols)',
      ],
      [
        'the gateway, into a folder that EDDS does not share',
        place({ handOver: () => ({ ...account, scheme: 'file', directory: '/data/in' }) }),
        undefined,
        { sharedFolders: { '/data/inner': '/mnt' } },
        'the gateway sends: /data/in is in none of the folders that EDDS shares (sharedFolders of the backend)',
      ],
      [
        'the gateway, at a site that takes no file server with a stream',
        place(),
        undefined,
        {
          site: {
            ...site,
            requests: {
              ...(site as { requests?: object }).requests,
              stream: { ...STREAM(site), deliveryProtocol: null },
            },
          },
        },
        'the gateway sends: the site takes no file server with a stream (site.requests.stream.deliveryDirectory)',
      ],
    ])('%s', async (_, given, filter, config, expected) => {
      const delivery = await shown(given, filter, config as Record<string, unknown>);
      expect(await delivery()).toBe(expected);
    });

    it('the gateway, once EDDS could not reach the server; the password is in no log, status or table', async () => {
      const delivery = await shown(place());
      await expect
        .poll(delivery, { timeout: 20_000 })
        .toMatch(/^the gateway sends: EDDS could not send: DELIVERY_FAILED: .*ECONNREFUSED/);
      await expectHidden();
    });

    it('a site without file servers is well as long as it is not asked for them', async () => {
      const fields = { deliveryDirectory: 'request.Nowhere.Directory' };
      const requests = (site as { requests?: { batch?: object } }).requests;
      const other = { ...site, requests: { ...requests, batch: { ...requests?.batch, ...fields } } };
      await shown(place(), undefined, { site: other, delivery: 'gateway' });
      expect(await edds.backend.check()).toMatchObject({ ok: true });
      await edds.close();
      await shown(place(), undefined, { site: other });
      expect(await edds.backend.check()).toEqual({
        ok: false,
        reason: expect.stringContaining('request.Nowhere.Directory (site.requests.batch.deliveryDirectory)'),
      });
    });

    async function expectHidden(): Promise<void> {
      const tables = [
        await store.db.selectFrom('edds_job').selectAll().execute(),
        await store.db.selectFrom('edds_placing').selectAll().execute(),
      ];
      const told = JSON.stringify([tables, await edds.backend.upstream!.list(), lines], (_key, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      expect(lines.length).toBeGreaterThan(0);
      expect(told).toContain('DELIVERY_FAILED');
      expect(told).not.toContain(SECRET);
    }
  });

const STREAM = (site: object): object => (site as { requests?: { stream?: object } }).requests?.stream ?? {};

await describeWithService('openssh', 'EDDS with credentials that the server does not accept', (server) => {
  it('leaves it to the gateway, and says nothing of the password', async () => {
    const store = await eddsStore();
    const simulator = await openSimulator();
    const { hostname, port } = new URL(server.url);
    const wrong = {
      ...account,
      host: hostname,
      port: Number(port),
      directory: server.folder!,
      username: server.username!,
    };
    const edds = await openEdds(
      store,
      simulator,
      { delivery: 'edds', arrival: 100, partSeconds: 1 },
      { places: async () => place({ handOver: () => wrong }) },
    );
    try {
      await edds.backend.follow({ cursor: null, interest: null }, { signal: AbortSignal.timeout(20_000) });
      const order = { orderId: 1n, user: 'alice', filter: tree([apid(1444)]), validity: null, remoteId: null };
      const id = await edds.backend.upstream!.ensure(order);
      const status = () => edds.backend.upstream!.status(id);
      await expect
        .poll(async () => (await status()).details.Delivery, { timeout: 20_000 })
        .toMatch(/^the gateway sends: EDDS could not send: DELIVERY_FAILED: .*authentication/i);
      expect(JSON.stringify((await status()).details)).not.toContain(SECRET);
    } finally {
      await edds.close();
      await simulator.stop();
      await store.close();
    }
  });
});

describe('whether a response file is whole', () => {
  const text = (count: number, end = '</PktRawResponse></Response></n:ResponsePart>'): string =>
    `<n:ResponsePart xmlns:n="x"><Response><PktRawResponse>${'<PktRawResponseElement packetID="1"><Packet>0102</Packet></PktRawResponseElement>'.repeat(count)}${end}`;
  const judge = (content: string, expected: number | null = null) =>
    notWhole(
      (async function* () {
        yield Buffer.from(content);
      })(),
      expected,
    );

  it('is told by its end and by the number of elements', async () => {
    expect(await judge(text(3))).toBeNull();
    expect(await judge(text(3), 3)).toBeNull();
    expect(await judge(text(3), 4)).toBe('it holds 3 elements where 4 were sent');
    expect(await judge(text(0))).toBeNull();
    for (const cut of [0, 10, 100, text(3).length - 1])
      expect(await judge(text(3).slice(0, cut)), `at ${cut}`).toMatch(/line 1/);
    expect(await judge('<html>no response</html>')).toMatch(/holds none of PktRawResponse/);
  });
});
