import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type HttpClient, type MalClient } from '../../src/client/index.js';
import { type RawElement, readResponse } from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { FilterTree } from '../../src/mpd/filter/index.js';
import type { TestGateway } from '../gateway.js';
import { type Harness, openHarness, responseFiles, until } from './harness.js';

describe('type groups of EDDS', () => {
  let harness: Harness;
  let gateway: TestGateway;
  let client: HttpClient;
  let mal: MalClient;

  beforeAll(async () => {
    harness = await openHarness({
      simulator: {
        times: { start: 20, duration: 20, tick: 10 },
        archive: { begin: Date.now() - 3 * 3_600_000, end: null, packetInterval: 50_000, files: 1 },
      },
      backend: { poll: '100ms', partSeconds: 1 },
      config: {
        listen: { http: { port: 0 }, maltcp: { port: 0 } },
        access: {
          principals: [{ id: 'operator', role: 'operator' }],
          mal: [{ cidr: '127.0.0.1/32', principal: 'operator', user: 'asserted' }],
        },
      },
    });
    ({ gateway } = harness);
    client = await harness.connect('operator');
    mal = connect(`${gateway.urls.maltcp}/` as `maltcp://${string}`);
    await until('the catalogue is read', async () => (await listed(asked('PktTmRaw'))).length > 0);
  });
  afterAll(async () => {
    await mal?.close();
    await harness?.close();
  });

  const asked = (productType: string) => ({ productType, domain: null, sources: null, attributeFilter: null });
  const typesOf = (found: readonly { readonly type: string }[]): Record<string, number> =>
    Object.fromEntries(
      [...new Set(found.map(({ type }) => type))].map((name) => [
        name,
        found.filter(({ type }) => type === name).length,
      ]),
    );
  const listed = async (productFilter: ReturnType<typeof asked> | null, tree?: FilterTree) => {
    const found: { type: string; name: unknown }[] = [];
    for await (const { metadata } of client.listProducts({ productFilter, ...(tree && { tree }) })) {
      const name = metadata.attributes?.find((one) => one.name === 'name')?.value?.value;
      if (metadata.productRef.version === 0) found.push({ type: metadata.productType.name, name });
    }
    return found;
  };

  it('are listed with the types: what each stands for, and the attributes of all its members', async () => {
    const types = new Map((await client.types()).map((type) => [type.name, type]));
    const attributes = (name: string) => types.get(name)?.attributeDefs?.map((def) => def.name);
    expect(types.get('PktEv')?.description).toBe('Event packets: telemetry of PUS service 5');
    expect(attributes('PktTm')).toEqual(attributes('PktTmRaw'));
    expect(new Set(attributes('PktTc'))).toEqual(new Set([...attributes('PktTcReport')!, ...attributes('PktTcRaw')!]));
  });

  it('a filter on a family lists, and an order on it delivers, the products of its types', async () => {
    expect(typesOf(await listed(asked('PktTm')))).toEqual({ PktTmRaw: 5 });
    expect(typesOf(await listed(asked('PktTc')))).toEqual({ PktTcReport: 3, PktTcRaw: 3 });
    expect(await listed(asked('PktEv'))).toEqual([{ type: 'PktTmRaw', name: 'YPL00501' }]);
    expect(typesOf(await listed(null, { all: [{ productTypes: ['PktTc', 'Param'] }] }))).toEqual({
      PktTcReport: 3,
      PktTcRaw: 3,
      Param: 3,
    });
    const overMal: string[] = [];
    for await (const { metadata } of mal.listProducts({ productFilter: asked('PktEv') }))
      overMal.push(metadata.productType.name);
    expect(overMal).toEqual(['PktTmRaw']);

    const folder = join(gateway.delivered, 'events');
    mkdirSync(folder);
    const { orderID, warning } = await client.submitOrder({
      user: null,
      deliveryMethod: 'FILETRANSFER',
      deliverTo: `file://${folder}`,
      comments: null,
      validityPeriod: null,
      productFilter: asked('PktEv'),
    });
    expect(warning).toBe(null);
    expect((await client.getOrder(orderID)).order.productFilter?.productType).toBe('PktEv');
    await until('two parts are delivered', () => responseFiles(folder).length >= 2);
    for (const file of responseFiles(folder)) {
      for await (const element of readResponse([readFileSync(join(folder, file))]))
        expect(decodeRecord((element as RawElement).bytes).header).toMatchObject({ apid: 1436, service: 5 });
    }
    expect(harness.simulator.control.jobs().filter(({ kind }) => kind === 'StreamRequest')).toHaveLength(1);
  });
});
