import { describe, expect, it } from 'vitest';
import { all, clientOf, refused } from '../../../test/http/client.js';
import { fakeGateway, product } from '../../../test/http/fake-gateway.js';
import { MpdError } from '../../mpd/index.js';
import { connect } from '../index.js';
import type { HttpClient } from './client.js';
import { connectHttp } from './index.js';

describe('products', () => {
  it('are listed over all pages with their exact values', async () => {
    const entries = Array.from({ length: 7 }, (_, i) =>
      product(`p ${i}`, 'x', { source: `s${i % 2}`, checksum: new Uint8Array([i]) }),
    );
    const { client } = await clientOf(fakeGateway(entries));
    const listed = await all(client.listProducts({}, { pageSize: 3 }));
    expect(listed).toEqual(
      entries.map(({ metadata, revision, updatedAt, path, fileName }) => ({
        metadata,
        revision,
        updatedAt,
        path,
        fileName,
      })),
    );
    const filter = { productType: null, domain: null, sources: ['s1'], attributeFilter: null };
    expect(
      (await all(client.listProducts({ productFilter: filter }))).map(({ metadata }) => metadata.productRef.key),
    ).toEqual(['p 1', 'p 3', 'p 5']);
    expect(await client.getMetadata(entries[0]!.metadata.productRef)).toEqual(listed[0]);
    expect((await client.types()).map(({ name }) => name)).toEqual(['TelemetryPackets', 'OrbitFile']);
    expect(await client.folders('a')).toMatchObject({
      path: 'a',
      folders: ['a', 'b c'],
      products: [{}, {}, {}, {}, {}, {}, {}],
    });
  });
});

it('named filters keep their tree', async () => {
  const { client } = await clientOf(fakeGateway());
  const filter = { name: 'my filter', filter: { not: { domain: ['a', '*'] } }, description: null, shared: true };
  expect(await client.putFilter(filter)).toEqual({ ...filter, owner: 'ops' });
  expect(await client.getFilter('@ops/my filter')).toEqual({ ...filter, owner: 'ops' });
  expect(await client.listFilters()).toHaveLength(1);
  await client.removeFilter('my filter');
  expect((await refused(client.getFilter('my filter'))).code).toBe('Unknown');
});

it('services and health are told, also when the gateway is not ready', async () => {
  const gateway = fakeGateway();
  const { client } = await clientOf(gateway);
  expect(await client.services()).toMatchObject({ name: 'test-gateway', services: [{ binding: 'http' }] });
  const health = {
    ready: false,
    parts: [{ kind: 'target', id: 'sftp', ok: false, reason: 'host key changed' }],
  } as const;
  gateway.health = async () => health;
  expect(await client.health()).toEqual(health);
});

describe('an address', () => {
  it.each(['gopher://host:1/x', 'ftp://host', 'host:8080', ''])('of another kind is refused: %j', (url) => {
    expect(() => connect(url)).toThrow('expected http://');
  });
  it.each(['http://user:pw@host', 'http://'])('that cannot be used is refused: %j', (url) => {
    expect(() => connectHttp(url)).toThrow(MpdError);
  });
  it.each([
    ['http://host:8080', 'http://host:8080/api/v1'],
    ['https://host/mpd/', 'https://host/mpd/api/v1'],
    ['http://host/api/v1/', 'http://host/api/v1'],
  ])('%s leads to %s', (url, base) => {
    expect((connect(url) as HttpClient).url).toBe(base);
  });
});
