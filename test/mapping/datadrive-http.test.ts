import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DataDriveSimulator } from '../../simulators/datadrive/index.js';
import { connectHttp, type HttpClient, type ListedProduct } from '../../src/client/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import { isMpdError, type ProductFilter } from '../../src/mpd/index.js';
import { configFor } from '../datadrive/backend.js';
import { startOn } from '../datadrive/harness.js';
import { type TestGateway, testGateway } from '../gateway.js';
import { describeWithService } from '../services/index.js';

/** Concepts of the published tables, each as a consumer meets it over HTTP with DataDrive behind the gateway. */
await describeWithService(['elasticsearch', 'versitygw'], 'DataDrive over HTTP', (index, s3) => {
  let gateway: TestGateway;
  let dd: DataDriveSimulator;
  const clients: HttpClient[] = [];
  const connect = async (principal: string): Promise<HttpClient> => {
    const client = connectHttp(gateway.urls.http!, { key: await gateway.key(principal) });
    clients.push(client);
    return client;
  };
  const put = (fullName: string, text: string, metadata: Record<string, unknown> = {}, pkg = 'm2020-spice') => {
    const type = 'kernel_type' in metadata ? 'm2020-spice-kernel' : 'm2020-spice-inventory';
    return dd.put({ package: pkg, fullName, type, body: Buffer.from(text), metadata });
  };
  const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
    const found: T[] = [];
    for await (const item of items) found.push(item);
    return found;
  };
  const namesOf = (listed: readonly ListedProduct[]) =>
    listed
      .map(({ metadata }) => metadata.attributes?.find(({ name }) => name === 'ocs_full_name')?.value?.value)
      .sort();
  const listed = async (client: HttpClient, query: { productFilter?: ProductFilter; tree?: FilterTree } = {}) =>
    namesOf(await collect(client.listProducts(query)));
  const filter = (over: Partial<ProductFilter>): ProductFilter => ({
    ...{ productType: null, domain: null, sources: null, attributeFilter: null },
    ...over,
  });
  const text = async (stream: AsyncIterable<Uint8Array>) => Buffer.concat(await collect(stream)).toString();
  const order = {
    ...{ user: null, productFilter: null, validityPeriod: null, deliverTo: null, comments: null },
    deliveryMethod: 'SERVICE_COMPLETE',
  } as const;

  beforeAll(async () => {
    dd = await startOn(index, s3);
    await put('/spice/ck/rover.bc', 'rover', {
      kernel_type: 'CK',
      product_version: 1,
      md5: '95ad8ba6f91293f40dbf3d1af69c52d0',
    });
    await put('/spice/ck/arm.bc', 'arm', { kernel_type: 'CK', product_version: 7 });
    await put('/spice/mk/m2020.tm', 'mk', { kernel_type: 'MK', product_version: 2, description: 'all of it' });
    await put('/spice/readme.txt', 'read me');
    await put('/other/plan.txt', 'plan', {}, 'm2020-spice-nc');
    gateway = await testGateway({
      config: {
        access: {
          principals: [
            { id: 'operator', role: 'operator' },
            { id: 'alice' },
            { id: 'partner', policy: { pathPrefix: 'spice/ck/' } },
            { id: 'package', policy: { domain: ['nasa', 'm2020', 'm2020-spice-nc'] } },
          ],
        },
        backends: [{ ...configFor(dd, s3, { feed: { poll: 200, sweep: '5s' } }), kind: 'datadrive' }],
      },
    });
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await gateway?.close();
    await dd?.stop({ destroy: true });
  });

  it('object types are product types with the fields of their index as attributes', async () => {
    const types = new Map((await (await connect('alice')).types()).map((type) => [type.name, type]));
    expect([...types.keys()].sort()).toEqual(expect.arrayContaining(['m2020-spice-inventory', 'm2020-spice-kernel']));
    const defs = types.get('m2020-spice-kernel')?.attributeDefs?.map((def) => [def.name, def.attributeType]);
    expect(Object.fromEntries(defs ?? [])).toMatchObject({
      ...{ kernel_type: 'STRING', product_version: 'LONG', 'coverage.gte': 'TIME', ocs_path: 'STRING', size: 'LONG' },
    });
  });

  it('a file is a product: its key is the dataset id, its domain the package, its body the bytes', async () => {
    const client = await connect('alice');
    const [rover] = await collect(client.listProducts({ tree: { pathPrefix: 'spice/ck/rover' } }));
    const { metadata, revision } = rover!;
    const document = dd.files().find(({ ocs_name }) => ocs_name === 'rover.bc');
    expect(metadata.productRef).toMatchObject({
      key: document?.ocs_dataset_id,
      domain: ['nasa', 'm2020', 'm2020-spice'],
    });
    const body = await client.getProduct(metadata.productRef, { revision });
    expect(await text(body.stream)).toBe('rover');
  });

  it('metadata of the index is metadata of the product: times, size, type of the file, md5, owner', async () => {
    const client = await connect('alice');
    const [rover] = await collect(client.listProducts({ tree: { pathPrefix: 'spice/ck/rover' } }));
    expect(rover?.metadata).toMatchObject({
      ...{ source: 'user-a', checksum: new Uint8Array(Buffer.from('95ad8ba6f91293f40dbf3d1af69c52d0', 'hex')) },
      fileMetadata: { fileSize: 5n, mime: 'application/octet-stream' },
    });
    const [plan] = await collect(client.listProducts({ tree: { pathPrefix: 'other/' } }));
    expect(plan?.metadata.fileMetadata).toMatchObject({ mime: 'text/plain' });
  });

  it('a search by metadata finds by values, ranges, patterns, times and packages', async () => {
    const client = await connect('alice');
    const on = async (...attributeFilter: NonNullable<ProductFilter['attributeFilter']>) =>
      listed(client, { productFilter: filter({ attributeFilter }) });
    const version = { type: 'ValueRange', name: 'product_version', include: true, maximum: null } as const;
    expect(await on({ ...version, minimum: { type: 'Long', value: 2n } })).toEqual([
      '/spice/ck/arm.bc',
      '/spice/mk/m2020.tm',
    ]);
    const kind = { type: 'ValueSet', name: 'kernel_type', include: true } as const;
    expect(await on({ ...kind, values: [{ type: 'String', value: 'MK' }] })).toEqual(['/spice/mk/m2020.tm']);
    expect(await on({ ...kind, include: false, values: [{ type: 'String', value: 'MK' }] })).toEqual([
      '/spice/ck/arm.bc',
      '/spice/ck/rover.bc',
    ]);
    const name = { type: 'StringPattern', name: 'ocs_name', include: true, regex: 'r.*\\.bc$' } as const;
    expect(await on(name)).toEqual(['/spice/ck/arm.bc', '/spice/ck/rover.bc']);
    const domain = filter({ domain: ['nasa', 'm2020', 'm2020-spice-nc'] });
    expect(await listed(client, { productFilter: domain })).toEqual(['/other/plan.txt']);
  });

  it('folders are browsed level by level, and searched by a pattern on ocs_path', async () => {
    const client = await connect('alice');
    const spice = await client.folders('spice');
    expect([spice.folders, namesOf(spice.products)]).toEqual([['ck', 'mk'], ['/spice/readme.txt']]);
    const regex = '^/spice/(ck|mk)$';
    const path = { type: 'StringPattern', name: 'ocs_path', include: true, regex } as const;
    expect(await listed(client, { productFilter: filter({ attributeFilter: [path] }) })).toHaveLength(3);
  });

  it('one search takes several object types; a type without the attribute has no match', async () => {
    const client = await connect('alice');
    const tree: FilterTree = { productTypes: ['m2020-spice-kernel', 'm2020-spice-inventory'] };
    expect(await listed(client, { tree })).toHaveLength(5);
    const any = { type: 'StringPattern', name: 'kernel_type', include: true, regex: '' } as const;
    expect(await listed(client, { productFilter: filter({ attributeFilter: [any] }) })).toHaveLength(3);
  });

  it('rights by path and by package hide what lies elsewhere: in lists, folders, metadata and bodies', async () => {
    const [alice, partner, pkg] = [await connect('alice'), await connect('partner'), await connect('package')];
    expect(await listed(partner)).toEqual(['/spice/ck/arm.bc', '/spice/ck/rover.bc']);
    expect((await partner.folders('')).folders).toEqual(['spice']);
    expect(await listed(pkg)).toEqual(['/other/plan.txt']);
    const [hidden] = await collect(alice.listProducts({ tree: { pathPrefix: 'other/' } }));
    await expect(partner.getProduct(hidden!.metadata.productRef)).rejects.toSatisfy((e) => isMpdError(e, 'Unknown'));
  });

  it('a subscription lives at the provider: what is indexed while nobody is there waits, and is pulled until acknowledged', async () => {
    const client = await connect('alice');
    const { orderID } = await client.submitOrder({ ...order, tree: { pathPrefix: 'live/' } });
    await client.close();
    await put('/live/a.txt', 'first');
    await put('/elsewhere/b.txt', 'not asked for');
    const again = await connect('alice');
    const [pulled] = await again.pull(orderID, { waitMs: 30_000 });
    const { metadata, revision } = pulled!.product;
    expect(await text((await again.getProduct(metadata.productRef, { revision })).stream)).toBe('first');
    await again.acknowledge(orderID, pulled!.position);
    expect(await again.pull(orderID)).toEqual([]);
  });

  it('a file indexed again is delivered again only when its bytes have changed', async () => {
    const client = await connect('alice');
    const { orderID } = await client.submitOrder({ ...order, tree: { pathPrefix: 'again/' } });
    await put('/again/a.txt', 'one');
    await put('/again/a.txt', 'one');
    await put('/again/a.txt', 'two');
    await put('/again/last.txt', 'last');
    const seen: string[] = [];
    await vi.waitFor(
      async () => {
        for (const { product, position } of await client.pull(orderID, { waitMs: 1000 })) {
          seen.push(`${product.fileName} ${product.revision}`);
          await client.acknowledge(orderID, position);
        }
        expect(seen.some((one) => one.startsWith('last.txt'))).toBe(true);
      },
      { timeout: 30_000 },
    );
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((one) => one.startsWith('a.txt')).length).toBeLessThanOrEqual(2);
  });
});
