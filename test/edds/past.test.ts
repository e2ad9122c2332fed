import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ALTERNATIVE_SITE } from '../../adapters/edds/testing.js';
import { archiveOf } from '../../simulators/edds/archive/index.js';
import { PACKET_KINDS } from '../../simulators/edds/archive/kinds.js';
import type { EddsSimulator } from '../../simulators/edds/index.js';
import type { HttpClient } from '../../src/client/index.js';
import { elementTime, readResponse } from '../../src/formats/edds-response/index.js';
import { isMpdError, type ProductFilter, type TimeWindow } from '../../src/mpd/index.js';
import type { TestGateway } from '../gateway.js';
import { until as eventually, type Harness, openHarness, orderFiles, responseFiles, telemetry } from './harness.js';

const SECOND = 1_000_000_000n;
const MINUTE = 60n * SECOND;
const SEED = 4711;
const INTERVAL = 50_000;

const SHAPES = [
  { name: 'the site of the shipped profile', shape: 'standard', site: {} },
  { name: 'the site of the other shape', shape: 'alternative', site: ALTERNATIVE_SITE },
] as const;

const NONE = { twice: [], missing: [], foreign: [] };

/** What keeps these times from being those that are expected, each once. */
function difference(times: readonly bigint[], expected: readonly bigint[]) {
  const [there, wanted] = [new Set(times), new Set(expected)];
  return {
    twice: times.filter((time, index) => times[index - 1] === time),
    missing: expected.filter((time) => !there.has(time)),
    foreign: times.filter((time) => !wanted.has(time)),
  };
}

const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** Orders whose validity has begun before they are submitted: what they get is held against the archive of the simulator. */
describe.each(SHAPES)('an order for the past of EDDS: $name', { timeout: 150_000 }, ({ shape, site }) => {
  const begin = Date.now() - 3 * 3_600_000;
  const archive = { begin, end: null, packetInterval: INTERVAL, sampleInterval: 100_000, files: 1 };
  let harness: Harness;
  let simulator: EddsSimulator;
  let gateway: TestGateway;
  let alice: HttpClient;
  let bob: HttpClient;

  const connect = async () => {
    ({ simulator, gateway } = harness);
    alice = await harness.connect('alice');
    bob = await harness.connect('bob');
  };

  beforeAll(async () => {
    harness = await openHarness({
      simulator: {
        ...{ shape, seed: SEED, times: { start: 20, duration: 20, tick: 10 }, archive },
        limits: { partElements: 500 },
      },
      backend: {
        ...{ catalogue: '500ms', poll: '100ms', partSeconds: 1, period: '1s', lag: '3s', maxWindow: '20m' },
        site: { ...site, limits: { poll: 20, orderJobs: 16, batches: 2 } },
      },
    });
    await connect();
  });
  afterAll(() => harness?.close());

  afterEach(() => simulator.control.clear());

  const parameter = (name: string): ProductFilter => ({
    ...{ productType: 'Param', domain: ['esa', 'solo'], sources: null },
    attributeFilter: [
      { type: 'ValueSet', name: 'parameterName', include: true, values: [{ type: 'String', value: name }] },
    ],
  });
  const order = async (
    name: string,
    productFilter: ProductFilter,
    validityPeriod: TimeWindow | null,
    client = alice,
  ): Promise<bigint> => {
    mkdirSync(join(gateway.delivered, name), { recursive: true });
    return orderFiles(client, `file://${gateway.delivered}/${name}`, { productFilter, validityPeriod });
  };
  const files = (name: string): string[] => responseFiles(join(gateway.delivered, name));
  /** Filing times of all packets delivered there, or sample times, in order. */
  const delivered = async (name: string): Promise<bigint[]> => {
    const times: bigint[] = [];
    for (const file of files(name))
      for await (const element of readResponse([readFileSync(join(gateway.delivered, name, file))]))
        times.push(elementTime(element)!);
    return times.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  };
  const until = (what: string, done: () => boolean | Promise<boolean>) => eventually(what, done, { seconds: 90 });
  const state = async (id: bigint, client = alice): Promise<string> => (await client.getOrder(id)).state;
  const details = async (id: bigint) => (await alice.getOrder(id)).upstream!.solo!;
  const byFiling = ({ request }: { readonly request: object }): boolean =>
    (request as { TimeRange?: { TimeField?: string } }).TimeRange?.TimeField === 'FilingTime';
  const batches = () => simulator.control.jobs().filter(({ kind }) => kind === 'BatchRequest');
  const settled = (id: bigint) =>
    until('all that was matched is delivered', async () => {
      const { counts } = await alice.getOrder(id);
      return !['matched', 'queued', 'sending', 'landed'].some((one) => (counts[one] ?? 0) > 0);
    });

  /** Filing times of the packets of an APID that are filed from `from` on, and are in the archive at the time `seen`. */
  const archived = (apid: number, from: bigint, seen: bigint, to: bigint = seen): bigint[] => {
    const series = archiveOf('SOL', { seed: SEED, ...archive, commandInterval: 60_000_000 }).telemetry;
    const { delay } = PACKET_KINDS.find((kind) => kind.apid === apid)!;
    const found: bigint[] = [];
    for (let index = series.firstFrom(Number(from / 1000n)); ; index++) {
      const filing = BigInt(series.filing(index)) * 1000n;
      if (filing > to || filing + BigInt(delay) * 1000n > seen) return found;
      if (filing >= from && series.kindOf(index).apid === apid) found.push(filing);
    }
  };

  it('is delivered whole and once, then the order is expired; nobody else gets what was made for it', async () => {
    const all = await order('others', telemetry(1444), null, bob);
    await until('the other order has its stream', () =>
      simulator.control.jobs().some(({ kind, state }) => kind === 'StreamRequest' && state === 'ACTIVE'),
    );
    const validity = { start: now() - 30n * MINUTE + 123_456n, end: now() - 2n * MINUTE + 654_321n };
    const id = await order('past', telemetry(1444), validity);
    expect(await state(id)).toBe('active');
    await until('the order is expired', async () => (await state(id)) === 'expired');
    await settled(id);
    const times = await delivered('past');
    expect(difference(times, archived(1444, validity.start, now(), validity.end))).toEqual(NONE);
    expect(times.length).toBeGreaterThan(10_000);
    // 28 minutes, 20 at most in one request, 500 packets in a part.
    const made = batches().filter(byFiling);
    expect(made).toHaveLength(2);
    const shown = await details(id);
    expect(shown.state).toBe('done');
    expect(shown.details.Past).toBe(`2 requests done, ${times.length} elements`);
    expect(shown.jobs).toHaveLength(2);
    for (const job of shown.jobs!) {
      expect(made.map((one) => one.id)).toContain(job.id);
      expect(job).toMatchObject({
        ...{ purpose: 'past', state: 'done' },
        details: { Error: null, Reason: null, SubmissionTime: expect.any(String), ExpiryTime: expect.any(String) },
      });
      expect(['COMPLETED', 'DONE']).toContain(job.details.State);
    }
    // The other order has its stream alone.
    const theirs = await delivered('others');
    expect(theirs.length).toBeGreaterThan(0);
    expect(theirs.every((time) => time > now() - 3n * MINUTE)).toBe(true);
    expect(files('others').filter((file) => files('past').includes(file))).toEqual([]);
    await bob.cancelStandingOrder(all);
    const { missing, held } = await alice.missing(id, {});
    expect({ missing, held }).toEqual({ missing: [], held: files('past').length });
  });

  it('goes on as a stream: each packet once across the seam, whenever it was filed and however late it came', async () => {
    let random = SEED;
    const next = (limit: number): number => {
      random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
      return random % limit;
    };
    // Requests take their time, so that the past holds much of what the stream brings too.
    simulator.control.switches.delay = 1500;
    const placed: { name: string; apid: number; id: bigint; validity: TimeWindow }[] = [];
    for (let index = 0; index < 7; index++) {
      // Housekeeping comes a minute after it was filed, science two hours: dumped data.
      const apid = [1444, 1460, 1420, 1460, 1444, 1436, 1444][index]!;
      const back = BigInt((apid === 1460 ? 121 * 60_000 : 61_000) + next(60_000)) * 1_000_000n;
      const validity = {
        start: now() - back + BigInt(next(1_000_000)),
        end: now() + BigInt(12_000 + next(4000)) * 1_000_000n,
      };
      const name = `seam-${index}`;
      placed.push({ name, apid, validity, id: await order(name, telemetry(apid), validity) });
      await sleep(next(900));
    }
    for (const { id, name, apid, validity } of placed) {
      await until(`${name} is expired`, async () => (await state(id)) === 'expired');
      await settled(id);
      const times = await delivered(name);
      const least = archived(apid, validity.start, validity.end);
      expect(times.length, name).toBeGreaterThanOrEqual(least.length);
      expect(difference(times, archived(apid, validity.start, now()).slice(0, times.length)), name).toEqual(NONE);
      const kinds = new Set(files(name).map((file) => /(Batch|Stream)Request/.exec(file)![1]));
      expect([...kinds].sort(), name).toEqual(['Batch', 'Stream']);
    }
    const { jobs } = await details(placed[0]!.id);
    expect(new Set(jobs!.map(({ purpose }) => purpose))).toEqual(new Set(['past', 'stream']));
    // It was no matter of luck: what the requests gave was in the streams too.
    let twice = 0;
    for (const { id } of placed) {
      const past = (await details(id)).jobs!.find(({ purpose }) => purpose === 'past')!;
      const made = batches().find((job) => job.id === past.id)!.parts;
      twice += made.reduce((sum, { elements }) => sum + elements, 0) - Number(past.details.Elements);
    }
    expect(twice).toBeGreaterThan(20);
  });

  it('without any data ends well and says so', async () => {
    const before = batches().length;
    const older = await order('older', telemetry(1444), { start: 0n, end: BigInt(begin) * 1_000_000n - 1n });
    const from = now() - 10n * MINUTE;
    const [one, other] = archived(1452, from, now());
    const between = await order('between', telemetry(1452), { start: one! + 2_000_000n, end: other! - 2_000_000n });
    for (const id of [older, between]) {
      await until('the order is expired', async () => (await state(id)) === 'expired');
      expect((await alice.getOrder(id)).counts).toEqual({});
    }
    expect((await details(older)).details.Past).toBe('EDDS holds no data of that time');
    expect((await details(between)).details.Past).toBe('1 requests done, EDDS holds no data of that time');
    expect(batches().length).toBe(before + 1);
    expect([...files('older'), ...files('between')]).toEqual([]);
  });

  it('is asked for once for orders that want the same before it is sent, and apart for one that only overlaps', async () => {
    // Two requests run at a time here: while these do not end, the others wait.
    simulator.control.switches.stuck = true;
    for (const minute of [9n, 19n]) {
      const validity = { start: now() - minute * MINUTE, end: now() - (minute - 1n) * MINUTE };
      const holding = await order(`holding-${minute}`, telemetry(1436), validity);
      await until('it is sent', async () => (await details(holding)).jobs?.[0]?.state === 'running');
    }
    const before = batches().length;
    const validity = { start: now() - 30n * MINUTE, end: now() - 20n * MINUTE };
    const same = [
      await order('same-0', telemetry(1420), validity),
      await order('same-1', telemetry(1420), validity, bob),
    ] as const;
    const overlapping = { start: validity.start + 5n * MINUTE, end: validity.end };
    const apart = await order('apart', telemetry(1420), overlapping);
    const planned = async (id: bigint, client: HttpClient) =>
      ((await client.getOrder(id)).upstream?.solo?.jobs ?? []).length === 1;
    for (const [id, client] of [
      [same[0], alice],
      [same[1], bob],
      [apart, alice],
    ] as const)
      await until('the order is known to the backend', () => planned(id, client));
    expect(batches().length).toBe(before);
    simulator.control.clear();
    await until(
      'both are expired',
      async () => (await state(same[0])) === 'expired' && (await state(same[1], bob)) === 'expired',
    );
    await until('so is the other', async () => (await state(apart)) === 'expired');
    await settled(apart);
    await settled(same[0]);
    await until('files of both', () => files('same-0').length > 0 && files('same-0').length === files('same-1').length);
    expect(batches().length).toBe(before + 2);
    expect(files('same-1').sort()).toEqual(files('same-0').sort());
    expect(files('apart').filter((file) => files('same-0').includes(file))).toEqual([]);
    expect(difference(await delivered('same-1'), archived(1420, validity.start, now(), validity.end))).toEqual(NONE);
    expect(difference(await delivered('apart'), archived(1420, overlapping.start, now(), overlapping.end))).toEqual(
      NONE,
    );
  });

  it('of what does not stream goes on as a recurring request, each sample once', async () => {
    const validity = { start: now() - 40n * SECOND, end: now() + 6n * SECOND };
    const id = await order('samples', parameter('NIXD0023'), validity);
    await until('the order is expired', async () => (await state(id)) === 'expired');
    await settled(id);
    const times = await delivered('samples');
    expect(times[0]! - validity.start).toBeLessThan(300_000_000n);
    expect(times[0]).toBeGreaterThanOrEqual(validity.start);
    expect(times.at(-1)).toBeGreaterThan(validity.end - 300_000_000n);
    expect(new Set(times.slice(1).map((time, index) => time - times[index]!))).toEqual(new Set([300_000_000n]));
    expect((await details(id)).jobs!.map(({ purpose }) => purpose).sort()).toEqual(['past', 'schedule']);
  });

  it('that has not begun asks EDDS for nothing; then it gets what comes from its beginning on', async () => {
    const start = now() + 3n * SECOND;
    const id = await order('future', telemetry(1452), { start, end: start + 3600n * SECOND });
    const streams = () => simulator.control.jobs().filter(({ request }) => JSON.stringify(request).includes('1452'));
    const before = streams().length;
    await until('the backend knows the order', async () => (await alice.getOrder(id)).upstream?.solo !== undefined);
    expect((await details(id)).state).toBe('waiting');
    await until('a file comes', () => files('future').length >= 3);
    const made = streams().slice(before);
    expect(made.length).toBeGreaterThan(0);
    expect(made.every(({ submittedAt }) => BigInt(submittedAt) * 1_000_000n >= start)).toBe(true);
    const times = await delivered('future');
    expect(difference(times, archived(1452, start - MINUTE, now()).slice(0, times.length))).toEqual(NONE);
    await alice.cancelStandingOrder(id);
  });

  it('cannot be reversed, nor need more requests than are allowed', async () => {
    const reversed = order('never', telemetry(1444), { start: now(), end: now() - SECOND });
    await expect(reversed).rejects.toSatisfy(
      (error) => isMpdError(error, 'Invalid') && error.field === 'validityPeriod',
    );
    const everything: ProductFilter = { ...telemetry(1444), attributeFilter: null };
    const long = order('never', everything, { start: 0n, end: now() });
    await expect(long).rejects.toSatisfy(
      (error) =>
        isMpdError(error, 'Invalid') &&
        error.field === 'validityPeriod' &&
        /needs \d+ requests at EDDS.*at most 16 are allowed/.test(error.message),
    );
  });

  it('is made again when EDDS fails, and when it drops a request half way', async () => {
    simulator.control.switches.fail = 'the archive is being moved';
    const validity = { start: now() - 70n * MINUTE, end: now() - 61n * MINUTE };
    const id = await order('failing', telemetry(1444), validity);
    await until('the order says why', async () =>
      ((await details(id)).jobs ?? []).some(({ details: { Reason } }) => Reason === 'the archive is being moved'),
    );
    expect(await state(id)).toBe('active');
    simulator.control.clear();
    const slow = { effect: 'slow', operation: 'getResponse', times: 40, millis: 200 } as const;
    simulator.control.inject(slow);
    await until('the first files come', () => files('failing').length >= 2);
    const dropped = batches().at(-1)!;
    expect(dropped.parts.length).toBeGreaterThan(files('failing').length + 1);
    dropped.state = 'EXPIRED';
    await until('the order is expired', async () => (await state(id)) === 'expired');
    await settled(id);
    expect(batches().at(-1)!.id, 'another request was made').not.toBe(dropped.id);
    expect(difference(await delivered('failing'), archived(1444, validity.start, now(), validity.end))).toEqual(NONE);
    expect((await details(id)).details.Past).toMatch(/requests done, \d+ elements$/);
  });

  it('is cancelled in the middle: its requests end, nothing more comes', async () => {
    simulator.control.switches.stuck = true;
    const id = await order('cancelled', telemetry(1444), { start: now() - 100n * MINUTE, end: now() - MINUTE });
    await until(
      'a request runs',
      async () => (await details(id)).jobs?.some((job) => job.state === 'running') === true,
    );
    const [running] = batches().slice(-1);
    await alice.cancelStandingOrder(id);
    await until('it is cancelled at EDDS', () => running!.state === 'CANCELLED');
    simulator.control.clear();
    const sent = batches().length;
    await sleep(1000);
    expect(batches().length).toBe(sent);
    expect(files('cancelled')).toEqual([]);
  });

  it('comes whole and once when answers are lost, the order is paused and the gateway starts again in the middle', async () => {
    simulator.control.inject({ effect: 'lost-answer', operation: 'batchRequest', times: 1 });
    const sent = batches().length;
    const validity = { start: now() - 100n * MINUTE, end: now() - MINUTE };
    const id = await order('restart', telemetry(1444), validity);
    await until('files come', () => files('restart').length >= 5);
    await alice.pauseOrder(id, 'hold');
    await alice.close();
    await bob.close();
    await gateway.stop();
    const before = files('restart').length;
    await harness.startGateway();
    await connect();
    await until('all requests are made', async () => (await details(id)).state === 'done');
    expect(await state(id)).toBe('paused');
    expect(files('restart').length).toBeLessThanOrEqual(before + 4);
    await alice.resumeOrder(id);
    await until('the order is expired', async () => (await state(id)) === 'expired');
    await settled(id);
    expect(difference(await delivered('restart'), archived(1444, validity.start, now(), validity.end))).toEqual(NONE);
    // 99 minutes in five requests, none of them sent twice.
    expect(batches().length).toBe(sent + 5);
    const rows = [];
    for await (const row of alice.listDeliveries(id)) rows.push(row);
    expect(rows.every(({ state, round }) => (state === 'notified' || state === 'verified') && round === 0)).toBe(true);
    expect(rows).toHaveLength(files('restart').length);
  });
});
