import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CALL_EFFECTS, type EddsSimulator } from '../../../simulators/edds/index.js';
import type { HttpClient } from '../../../src/client/index.js';
import { elementTime, readResponse } from '../../../src/formats/edds-response/index.js';
import type { ObjectRef } from '../../../src/mal/index.js';
import { MpdError } from '../../../src/mpd/index.js';
import type { TestGateway } from '../../gateway.js';
import { type Harness, ofApid, openHarness, until } from '../harness.js';
import { FAULTS, type FaultRow, faultPage } from './table.js';

const BEGIN = Date.UTC(2020, 11, 1);
/** A packet each 100 ms, so many of them in a window that is asked for. */
const WINDOW_MS = 20_000;
const APID = 1444;
const IN_WINDOW = 80;

describe('faults of EDDS behind a gateway', () => {
  let harness: Harness;
  let simulator: EddsSimulator;
  let gateway: TestGateway;
  let client: HttpClient;
  let windows = 0;

  beforeAll(async () => {
    harness = await openHarness({
      simulator: {
        times: { start: 10, duration: 10, tick: 5 },
        archive: { begin: BEGIN, end: null, packetInterval: 100_000, commandInterval: 500_000, files: 3 },
      },
      backend: {
        ...{ catalogue: '2s', poll: '100ms', partSeconds: 1, idle: '2s' },
        site: { limits: { poll: 15, pollMax: 100, deadline: 3000 } },
      },
    });
    ({ simulator, gateway } = harness);
    client = await harness.connect('operator', { retries: 0 });
    await until('the catalogue is read', async () => (await files()) === 3);
  });
  afterAll(() => harness?.close());
  beforeEach(() => simulator.control.clear());

  const filter = (productType: string, apid?: number) => ({
    productType,
    domain: null,
    sources: null,
    attributeFilter: apid === undefined ? null : [ofApid(apid)],
  });
  const files = async (enough = Number.POSITIVE_INFINITY): Promise<number> => {
    let count = 0;
    for await (const _ of client.listProducts({ productFilter: filter('File') }, { pageSize: Math.min(enough, 5000) }))
      if (++count >= enough) break;
    return count;
  };
  /** A virtual product that nobody asked for yet. */
  const fresh = async (productType: string): Promise<ObjectRef> => {
    const start = BigInt(BEGIN + ++windows * 60_000) * 1_000_000n;
    const content = { start, end: start + BigInt(WINDOW_MS) * 1_000_000n - 1n };
    const productFilter = filter(productType, productType === 'PktTmRaw' ? APID : undefined);
    for await (const { metadata } of client.listProducts({ content, productFilter })) return metadata.productRef;
    throw new Error('nothing is listed');
  };
  const get = async (row: FaultRow): Promise<string> => {
    const report = row.switches?.frameCountDash === true;
    const ref = await fresh(report ? 'PktTcReport' : 'PktTmRaw');
    stage(row);
    const times: bigint[] = [];
    for await (const element of readResponse((await client.getProduct(ref)).stream)) {
      times.push(elementTime(element)!);
      if (element.kind === 'tc-report') expect(element.fields.FrameCount).toBe('-');
    }
    if (report) return times.length > 5 ? 'whole' : `${times.length} commands`;
    const sorted = times.every((time, index) => index === 0 || times[index - 1]! < time);
    expect(sorted).toBe(row.switches?.outOfOrder !== true);
    expect(new Set(times).size).toBe(times.length);
    if (times.length === IN_WINDOW) return 'whole';
    return times.length === IN_WINDOW * 0.9 ? 'whole but every tenth' : `${times.length} packets`;
  };
  const stage = ({ rules = [], switches = {} }: FaultRow): void => {
    for (const rule of rules) simulator.control.inject(rule);
    Object.assign(simulator.control.switches, switches);
  };
  /** A part of a stream that EDDS makes anew before it was fetched for a consumer. */
  const reissued = async (): Promise<string> => {
    const folder = join(gateway.delivered, 'reissued');
    mkdirSync(folder);
    const { orderID } = await client.submitOrder({
      user: null,
      deliveryMethod: 'SERVICE_COMPLETE',
      deliverTo: null,
      comments: null,
      validityPeriod: null,
      productFilter: filter('PktTmRaw', APID),
    });
    let ref: ObjectRef | null = null;
    await until('a part is there', async () => {
      ref = (await client.pull(orderID, { waitMs: 1000 }))[0]?.product.metadata.productRef ?? null;
      return ref !== null;
    });
    await client.cancelStandingOrder(orderID);
    const job = simulator.control.jobs().find(({ parts }) => parts.some(({ fileName }) => fileName === ref!.key))!;
    await simulator.control.reissue(job.id, job.parts.find(({ fileName }) => fileName === ref!.key)!.ordinal);
    rmSync(harness.cache, { recursive: true, force: true });
    mkdirSync(harness.cache);
    for await (const _ of (await client.getProduct(ref!)).stream);
    return 'whole';
  };
  const shortened = (text: string): string =>
    text
      .replace(/(?:mpd-\w+\.)?\w+Request\.[\w.]+@[\w.]+/g, '<file>')
      .replace(/BatchRequest\.[\w.]+?(?=[ ,;]|$)/g, '<request>')
      .replace(/(?:http:\/\/)?127\.0\.0\.1:\d+[^\s:]*/g, '<host>')
      .replace(/ \(line \d+, column \d+\)/g, '')
      .replace(/\d+ bytes where EDDS announces \d+/, '<n> bytes where EDDS announces <n>');

  const outcome = async (row: FaultRow): Promise<{ state: string; message: string }> => {
    try {
      if (row.act === 'reissue') return { state: await reissued(), message: '' };
      if (row.act === 'list') {
        stage(row);
        await until('the catalogue is read again', async () => (await files(4)) > 3);
        return { state: `${await files()} files`, message: '' };
      }
      if (row.act === 'health') {
        stage(row);
        const part = (await gateway.gateway.health()).parts.find(({ id }) => id === 'solo')!;
        return { state: part.ok ? 'ready' : 'not ready', message: part.reason };
      }
      return { state: await get(row), message: '' };
    } catch (error) {
      if (!(error instanceof MpdError)) throw error;
      return { state: error.code, message: error.message };
    }
  };

  it.each(FAULTS)(
    '$fault',
    async (row) => {
      const before = simulator.control.jobs().filter(({ kind }) => kind === 'BatchRequest').length;
      const { state, message } = await outcome(row);
      const made = simulator.control.jobs().filter(({ kind }) => kind === 'BatchRequest').length - before;
      expect({ state, message: shortened(message) }).toEqual({
        state: row.state,
        message: row.message === '' ? '' : expect.stringContaining(row.message),
      });
      if (row.act !== 'reissue') expect(made).toBe(row.requests);
      if (row.switches?.stuck === true) expect(simulator.control.jobs().at(-1)!.state).toBe('CANCELLED');
    },
    180_000,
  );

  it('every switch has a row, and the page shows the table', async () => {
    const effects = FAULTS.flatMap(({ rules = [] }) => rules.map(({ effect }) => effect));
    expect(new Set(effects)).toEqual(new Set(CALL_EFFECTS));
    const switches = FAULTS.flatMap(({ switches = {} }) => Object.keys(switches));
    expect(new Set(switches)).toEqual(new Set(Object.keys(simulator.control.switches)));
    await expect(faultPage()).toMatchFileSnapshot(join(import.meta.dirname, '../../../docs/edds-faults.md'));
  });
});
