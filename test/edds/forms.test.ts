import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/testing.js';
import { referencePath } from '../../src/client/http/wire/index.js';
import type { HttpClient, ListedProduct } from '../../src/client/index.js';
import {
  elementPacket,
  elementRow,
  type ResponseElement,
  readResponse,
} from '../../src/formats/edds-response/index.js';
import type { TestGateway } from '../gateway.js';
import { type Harness, openHarness } from './harness.js';

const BEGIN = Date.UTC(2026, 0, 1);
const ns = (millis: number): bigint => BigInt(millis) * 1_000_000n;

describe('other forms of EDDS responses', () => {
  let harness: Harness;
  let gateway: TestGateway;
  let client: HttpClient;
  let key: string;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mpd-forms-'));
    harness = await openHarness({
      folder,
      simulator: {
        times: { start: 5, duration: 5, tick: 5 },
        archive: {
          begin: BEGIN,
          end: null,
          packetInterval: 50_000,
          commandInterval: 1_000_000,
          sampleInterval: 500_000,
          files: 1,
        },
        limits: { partElements: 20 },
      },
      backend: {
        ...{ catalogue: '500ms', poll: '100ms', partSeconds: 1, period: '1s' },
        site: { limits: { poll: 20 } },
      },
    });
    ({ gateway } = harness);
    key = await gateway.key('alice');
    client = await harness.connect('alice');
  });
  afterAll(() => harness?.close());

  /** The virtual product of a selection for ten seconds. */
  const product = async (type: string): Promise<ListedProduct> => {
    const content = { start: ns(BEGIN), end: ns(BEGIN + 10_000) - 1n };
    const productFilter = { productType: type, domain: null, sources: null, attributeFilter: null };
    for await (const one of client.listProducts({ productFilter, content })) return one;
    throw new Error(`no ${type}`);
  };
  const get = (one: ListedProduct, headers: Record<string, string> = {}, query = '') =>
    fetch(`${gateway.urls.http}/api/v1/bodies/${referencePath(one.metadata.productRef)}${query}`, {
      headers: { Authorization: `Bearer ${key}`, ...headers },
    });
  const elementsOf = async (bytes: Uint8Array): Promise<ResponseElement[]> => {
    const all: ResponseElement[] = [];
    for await (const element of readResponse([bytes])) all.push(element);
    return all;
  };

  it('by Accept: bare packets, CSV and NDJSON of what the response holds, merged from several parts', async () => {
    for (const type of ['PktTmRaw', 'PktTcReport', 'Param', 'PktTcRaw']) {
      const one = await product(type);
      const plain = await get(one);
      expect(plain.headers.get('content-type')).toBe('text/xml');
      const elements = await elementsOf(new Uint8Array(await plain.arrayBuffer()));
      expect(elements.length).toBeGreaterThan(type === 'PktTmRaw' ? 20 : 1);

      const csv = await get(one, { Accept: 'text/csv' });
      expect(csv.headers.get('content-type')).toBe('text/csv');
      expect(csv.headers.get('content-disposition')).toMatch(/filename="[^"]+\.csv"$/);
      expect((await csv.text()).trimEnd().split('\r\n')).toHaveLength(elements.length + 1);

      const lines = await get(one, { Accept: 'application/x-ndjson' });
      const rows = (await lines.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(rows.map(({ parameters: _, ...row }) => row)).toEqual(elements.map((element) => elementRow(element)));

      const packets = await get(one, { Accept: 'application/ccsds-space-packets' });
      if (type === 'Param' || type === 'PktTcRaw') {
        expect(packets.status).toBe(406);
        expect(await packets.json()).toMatchObject({ field: 'Accept', detail: expect.stringContaining('text/csv') });
      } else {
        const expected = Buffer.concat(elements.map((element) => Buffer.from(elementPacket(element)!)));
        expect(Buffer.from(await packets.arrayBuffer()).equals(expected)).toBe(true);
        expect(expected.length).toBeGreaterThan(20);
      }
    }
  });

  it('by the client and the command line, under the name that the gateway gives', async () => {
    const one = await product('PktTmRaw');
    const body = await client.getProduct(one.metadata.productRef, { form: 'csv', revision: one.revision });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body.stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toMatch(/^packetId,type,filingTime,/);
    expect([body.size, body.sha256, body.fileName]).toEqual([null, null, expect.stringMatching(/^PktTmRaw_.*\.csv$/)]);
    await expect(client.getProduct(one.metadata.productRef, { form: 'pdf' })).rejects.toMatchObject({
      code: 'Invalid',
      message: expect.stringContaining('there is no form "pdf"; on offer: packets, csv, ndjson'),
    });
    const out = join(folder, 'out');
    mkdirSync(out);
    const { domain, version, key: name } = one.metadata.productRef;
    const reference = `${domain.join('.')}/${version}/${name}`;
    const env = { MPD_GATEWAY_URL: gateway.urls.http!, MPD_GATEWAY_KEY: key };
    const run = await runCli(['products', 'get', reference, '--form', 'csv', '-o', `${out}/`], { env });
    expect([run.code, run.stderr]).toEqual([0, expect.not.stringContaining('mpd-gateway:')]);
    const refused = await runCli(['products', 'get', reference, '--form', 'pdf', '-o', `${out}/`], { env });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('there is no form "pdf"; on offer: packets, csv, ndjson');
    const [file] = readdirSync(out);
    expect(file).toBe(body.fileName);
    expect(readFileSync(join(out, file!)).equals(Buffer.concat(chunks))).toBe(true);
  });

  it('by an order: each part is delivered in its form, checked, under its own ending', async () => {
    mkdirSync(join(gateway.delivered, 'csv'));
    const attribute = {
      type: 'ValueSet' as const,
      name: 'apid',
      include: true,
      values: [{ type: 'UShort' as const, value: 1444 }],
    };
    const request = {
      ...{ user: null, deliveryMethod: 'FILETRANSFER' as const, comments: null, validityPeriod: null },
      deliverTo: `file://${gateway.delivered}/csv`,
      productFilter: { productType: 'PktTmRaw', domain: ['esa', 'solo'], sources: null, attributeFilter: [attribute] },
    };
    await expect(client.submitOrder({ ...request, form: 'pdf' })).rejects.toMatchObject({
      ...{ code: 'Invalid', field: 'form' },
      message: expect.stringContaining('on offer: packets, csv, ndjson'),
    });
    const service = { ...request, deliverTo: null, deliveryMethod: 'SERVICE_COMPLETE' as const, form: 'csv' };
    await expect(client.submitOrder(service)).rejects.toMatchObject({ code: 'Invalid', field: 'form' });
    const { orderID } = await client.submitOrder({ ...request, form: 'csv' });
    expect((await client.getOrder(orderID)).form).toBe('csv');
    const told = async () => {
      const rows = [];
      for await (const row of client.listDeliveries(orderID, { states: ['notified'] })) rows.push(row);
      return rows;
    };
    for (let turn = 0; turn < 400 && (await told()).length < 2; turn++) await sleep(50);
    const rows = await told();
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const row of rows) {
      expect(row.filename).toBe(row.ref.key.replace(/\.xml$/, '.csv'));
      const path = join(gateway.delivered, 'csv', row.filename!);
      expect(existsSync(path)).toBe(true);
      expect(row).toMatchObject({
        targetCheck: 'verified',
        sourceCheck: 'none',
        bytes: BigInt(readFileSync(path).length),
      });
      expect(readFileSync(path, 'utf8')).toMatch(/^packetId,type,filingTime,.*\r\n1,TM,/);
    }
    const env = { MPD_GATEWAY_URL: gateway.urls.http!, MPD_GATEWAY_KEY: key };
    expect((await runCli(['orders', 'show', String(orderID)], { env, columns: 120 })).stdout).toMatch(/form +csv/);
    await client.cancelStandingOrder(orderID);
    const to = `file://${gateway.delivered}/csv`;
    const again = await runCli(['orders', 'submit', '--type', 'Param', '--to', to, '--form', 'packets'], { env });
    expect(again.code).not.toBe(0);
    expect(again.stderr).toContain('there is no form "packets"; on offer: csv, ndjson');
  });
});
