import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type CliRun, runCli } from '../../src/cli/testing.js';
import { connect, connectHttp } from '../../src/client/index.js';
import { testStore } from '../../src/store/testing.js';
import { freePort } from './free-port.js';

/** Where consumers learn of the MAL services of a gateway that is started as people start it. */
describe('a gateway started by `serve`, with endpoint names of its own', () => {
  const names = { retrieval: 'Get', orders: 'Order', delivery: 'Push', broker: 'Broker' };
  const services = ['ProductRetrieval', 'OrderManagement', 'ProductOrderDelivery', 'broker'] as const;
  let folder: string;
  let roots: Readonly<Record<'http' | 'maltcp' | 'malhttp', string>>;
  let run: CliRun;
  let uris: string;
  let details: Readonly<Record<string, Readonly<Record<string, string>>>>;
  let keys: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mpd-discovery-'));
    const store = await testStore();
    const [http, maltcp, malhttp] = [await freePort(), await freePort(), await freePort()];
    roots = {
      http: `http://127.0.0.1:${http}`,
      maltcp: `maltcp://127.0.0.1:${maltcp}`,
      malhttp: `malhttp://127.0.0.1:${malhttp}`,
    };
    const config = {
      store: { url: store.url },
      listen: {
        http: { port: http },
        maltcp: { port: maltcp },
        malhttp: { port: malhttp },
        endpoints: names,
        providerUris: './told/providerURIs.properties',
      },
      access: { principals: [{ id: 'alice' }], mal: [{ cidr: '127.0.0.1/32', principal: 'alice' }] },
      backends: [{ id: 'local', kind: 'archive', domain: ['esa', 'local'], path: folder }],
    };
    writeFileSync(join(folder, 'gateway.yaml'), stringify(config));
    const stop = new AbortController();
    const serving = runCli(['serve', '--config', 'gateway.yaml', '--json', '--log-format', 'json'], {
      cwd: folder,
      signal: stop.signal,
    });
    const client = connect(`${roots.maltcp}/` as `maltcp://${string}`, { endpoints: names });
    try {
      const listed = async (): Promise<string[]> => {
        const found: string[] = [];
        for await (const { metadata } of client.listProducts()) found.push(metadata.productRef.key);
        return found;
      };
      keys = [];
      for (const end = Date.now() + 60_000; keys.length === 0 && Date.now() < end; await sleep(100))
        keys = await listed().catch(() => []);
      const key = await runCli(['keys', 'create', 'alice', '--config', 'gateway.yaml', '--json'], { cwd: folder });
      const authorised = connectHttp(roots.http, { key: key.json[0]!.key as string });
      const info = await authorised.services();
      details = Object.fromEntries(info.services.map((service) => [service.binding, service.details]));
      await authorised.close();
      uris = readFileSync(join(folder, 'told/providerURIs.properties'), 'latin1');
    } finally {
      await client.close();
      stop.abort();
      run = await serving;
      await store.close();
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const expected = (root: string) =>
    Object.fromEntries(services.map((service, i) => [service, `${root}/${Object.values(names)[i]}`]));

  it('serves them under those names', () => {
    expect(keys).toContain('gateway.yaml');
  });

  it('prints the URI of each service in its log when it starts', () => {
    const lines = run.stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const binding of ['maltcp', 'malhttp'] as const)
      expect(lines.find(({ msg }) => msg === `${binding} listens`)).toMatchObject(expected(roots[binding]));
  });

  it('names the roots in its ready line', () => {
    expect(run.json[0]).toMatchObject({ event: 'ready', urls: roots });
  });

  it('tells them in GET /api/v1/services', () => {
    for (const binding of ['maltcp', 'malhttp'] as const)
      expect(details[binding]).toMatchObject(expected(roots[binding]));
  });

  it('writes providerURIs.properties as ESA’s stack reads it', () => {
    expect(uris.trimEnd().split('\n')).toEqual([
      `ProductRetrieval_URI=${roots.maltcp}/Get`,
      'ProductRetrieval_Broker=null',
      'ProductRetrieval_Domain=esa.local',
      'ProductRetrieval_ServiceKey=[9, 1, 1]',
      `OrderManagement_URI=${roots.maltcp}/Order`,
      'OrderManagement_Broker=null',
      'OrderManagement_Domain=esa.local',
      'OrderManagement_ServiceKey=[9, 1, 2]',
      `ProductOrderDelivery_URI=${roots.maltcp}/Push`,
      `ProductOrderDelivery_Broker=${roots.maltcp}/Broker`,
      'ProductOrderDelivery_Domain=esa.local',
      'ProductOrderDelivery_ServiceKey=[9, 1, 3]',
    ]);
  });
});
