import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elementTime, parseFileName, parseRequestId, type RawElement } from '../../src/formats/edds-response/index.js';
import { elementsOf } from '../../src/formats/edds-response/testing.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import type { EddsSimulator } from './index.js';
import { all, textOf } from './testing.js';
import { ARCHIVE, BEGIN, HOUR, PARAMETERS, session, simulators, TELEMETRY } from './testing-session.js';

const { close, start } = simulators();
let edds: EddsSimulator;
beforeAll(async () => {
  edds = await start();
});
afterAll(close);

describe('requests', () => {
  it.each([
    ['an unknown type', `<Domain>SOL</Domain><DataType>PktEv</DataType>${HOUR}`, 'UNSUPPORTED_TYPE'],
    ['a domain that is not granted', `<Domain>BC</Domain><DataType>PktTmRaw</DataType>${HOUR}`, 'ACCESS_DENIED'],
    ['an unknown domain', `<Domain>MARS</Domain><DataType>PktTmRaw</DataType>${HOUR}`, 'ACCESS_DENIED'],
    ['no time range', '<Domain>SOL</Domain><DataType>PktTmRaw</DataType>', 'INVALID_REQUEST'],
    [
      'a reversed time range',
      '<Domain>SOL</Domain><DataType>PktTmRaw</DataType><TimeRange><Begin>2020-12-02T00:00:00Z</Begin><End>2020-12-01T00:00:00Z</End></TimeRange>',
      'INVALID_REQUEST',
    ],
    [
      'a filter of another type',
      `<Domain>SOL</Domain><DataType>Param</DataType>${HOUR}<Filter><Apid>1</Apid></Filter>`,
      'INVALID_REQUEST',
    ],
    [
      'an APID that is none',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}<Filter><Apid>70000</Apid></Filter>`,
      'INVALID_REQUEST',
    ],
    [
      'a name with a path',
      `<Name>../x</Name><Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}`,
      'INVALID_REQUEST',
    ],
    [
      'hex of commands',
      `<Domain>SOL</Domain><DataType>PktTcReport</DataType>${HOUR}<Format>HEX</Format>`,
      'UNSUPPORTED_TYPE',
    ],
    [
      'a folder outside the roots',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}<Delivery><FileServerDelivery><Protocol>FILE</Protocol><Directory>/etc</Directory></FileServerDelivery></Delivery>`,
      'ACCESS_DENIED',
    ],
    [
      'a server without host',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}<Delivery><FileServerDelivery><Protocol>SFTP</Protocol><Directory>/x</Directory></FileServerDelivery></Delivery>`,
      'INVALID_REQUEST',
    ],
  ])('refuse %s', async (_, request, code) => {
    const { code: codeOf } = await session(edds, 'solo');
    expect(await codeOf('batchRequest', `<request>${request}</request>`)).toBe(code);
  });

  it('go from SUBMITTED over ACTIVE to COMPLETED, with the six status fields', async () => {
    const slow = await start({ times: { start: 150, duration: 150, tick: 10 } });
    const user = await session(slow);
    const id = await user.submit('batchRequest', TELEMETRY);
    const first = await user.call('getStatus', `<requestId>${id}</requestId>`);
    const fields = first.body.children[0]!.children;
    expect(fields.map(({ name }) => name)).toEqual([
      'RequestId',
      'State',
      'Error',
      'Reason',
      'SubmissionTime',
      'ExpiryTime',
    ]);
    expect(fields[1]!.text).toBe('SUBMITTED');
    expect(fields[2]!.attributes).toEqual({ 'xsi:nil': 'true' });
    expect(BigInt(Date.parse(fields[4]!.text)) * 1_000_000n).toBe(parseRequestId(id)!.submittedAt);
    expect(Date.parse(fields[5]!.text) - Date.parse(fields[4]!.text)).toBe(15 * 86_400_000);
    expect((await user.part(id)).code).toBe('NOT_READY');
    const seen = new Set<string>(['SUBMITTED']);
    for (let state = ''; state !== 'COMPLETED'; seen.add(state)) state = (await user.status(id)).State!;
    expect([...seen]).toEqual(['SUBMITTED', 'ACTIVE', 'COMPLETED']);
  });

  it('hold [Begin, End) and honour offsets; fields of a filter are alternatives, different fields must all hold', async () => {
    const user = await session(edds);
    const { content } = await user.fetch(
      'batchRequest',
      '<Domain>SOL</Domain><DataType>PktTmRaw</DataType><TimeRange><Begin>2020-12-01T02:00:05+02:00</Begin><End>2020-12-01T00:00:15</End></TimeRange><Filter><Apid>1444</Apid><Apid>1436</Apid><ServiceType>3</ServiceType><ServiceType>5</ServiceType></Filter>',
    );
    const elements = await elementsOf(content);
    const seconds = elements.map((element) => Number(elementTime(element)! / 1000n) / 1e6 - BEGIN / 1000);
    expect(seconds.length).toBeGreaterThan(40);
    expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
    expect(seconds[0]).toBeGreaterThanOrEqual(5);
    expect(seconds.at(-1)).toBeLessThan(15);
    expect(new Set(elements.map((element) => decodeRecord((element as RawElement).bytes).header.apid))).toEqual(
      new Set([1444, 1436]),
    );
  });

  it('have ids that are unique under concurrency, of the caller only', async () => {
    const [ops, solo] = [await session(edds), await session(edds, 'solo')];
    const request = TELEMETRY;
    const ids = await Promise.all(Array.from({ length: 30 }, () => solo.submit('batchRequest', request)));
    expect(new Set(ids).size).toBe(30);
    expect(await ops.code('getStatus', `<requestId>${ids[0]}</requestId>`)).toBe('UNKNOWN_REQUEST');
    expect(await solo.code('getStatus', `<requestId>${ids[0]!.toLowerCase()}</requestId>`)).toBe('UNKNOWN_REQUEST');
    const listed = all((await solo.call('getJobs', '<kind>BatchRequest</kind>')).body, 'RequestId').map(
      ({ text }) => text,
    );
    expect(listed).toEqual(expect.arrayContaining(ids));
    expect(all((await solo.call('getJobs', '<kind>StreamRequest</kind>')).body, 'status')).toEqual([]);
  });

  it('can be cancelled; cancelling an ended one changes nothing', async () => {
    edds.control.switches.stuck = true;
    const user = await session(edds);
    const id = await user.submit('batchRequest', TELEMETRY);
    const cancelled = await user.call('cancelRequest', `<requestId>${id}</requestId>`);
    edds.control.clear();
    expect(textOf(cancelled.body, 'State')).toBe('CANCELLED');
    expect((await user.ended(id)).State).toBe('CANCELLED');
    expect((await user.part(id)).code).toBe('NO_SUCH_PART');
    const { id: done } = await user.fetch('batchRequest', PARAMETERS);
    expect(textOf((await user.call('cancelRequest', `<requestId>${done}</requestId>`)).body, 'State')).toBe(
      'COMPLETED',
    );
  });

  it('expire: state EXPIRED, the content gone', async () => {
    let now = Date.now();
    const own = await start({ clock: () => now });
    const id = await (await session(own)).submit('batchRequest', TELEMETRY);
    for (let turn = 0; turn < 200 && own.control.jobs()[0]!.state !== 'COMPLETED'; turn++) {
      now += 30;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    now += 16 * 86_400_000;
    const user = await session(own);
    for (let turn = 0; turn < 200 && own.control.jobs()[0]!.state !== 'EXPIRED'; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await user.status(id)).State).toBe('EXPIRED');
    expect((await user.part(id)).code).toBe('EXPIRED');
  });

  it('beyond the limits are refused', async () => {
    const own = await start({ limits: { elements: 50, activeJobs: 1 } });
    const user = await session(own);
    expect(
      await user.code('batchRequest', `<request><Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}</request>`),
    ).toBe('LIMIT_EXCEEDED');
    own.control.switches.stuck = true;
    const request = `<request>${PARAMETERS}</request>`;
    expect(await user.code('batchRequest', request)).toBeNull();
    expect(await user.code('batchRequest', request)).toBe('LIMIT_EXCEEDED');
  });
});

describe('streams and schedules', () => {
  it('a stream closes a part every PartSeconds, keeps only parts with packets, and ends COMPLETED', async () => {
    const own = await start({ archive: { ...ARCHIVE, begin: Date.now() - 10_000_000, end: null } });
    const user = await session(own);
    const end = new Date(Date.now() + 2600).toISOString();
    const id = await user.submit(
      'streamRequest',
      `<Domain>SOL</Domain><DataType>PktTmStream</DataType><End>${end}</End><PartSeconds>1</PartSeconds>`,
    );
    expect(parseRequestId(id)?.kind).toBe('StreamRequest');
    const status = await user.ended(id);
    expect([status.State, Date.parse(status.ExpiryTime!)]).toEqual(['COMPLETED', Date.parse(end)]);
    const parts = await Promise.all([1, 2, 3].map((ordinal) => user.part(id, ordinal)));
    expect(parts.map(({ last }) => last)).toEqual(['false', 'false', 'true']);
    const sequence = (await Promise.all(parts.map(({ content }) => elementsOf(content))))
      .flat()
      .map((element) => decodeRecord((element as RawElement).bytes).header.sequence);
    expect(new Set(sequence).size).toBe(sequence.length);
    expect(sequence.length).toBeGreaterThan(15);
    const none = await user.submit(
      'streamRequest',
      `<Domain>SOL</Domain><DataType>PktTmStream</DataType><Filter><Apid>1</Apid></Filter><End>${new Date(Date.now() + 1200).toISOString()}</End><PartSeconds>1</PartSeconds>`,
    );
    await user.ended(none);
    expect((await user.part(none)).code).toBe('NO_SUCH_PART');
  });

  it('a schedule runs at Start and every Period, each run covering the time since the last; ordinals go on, parts begin at 1', async () => {
    const own = await start({ archive: { ...ARCHIVE, begin: Date.now() - 10_000_000, end: null } });
    const user = await session(own);
    const start_ = Date.now() + 300;
    const id = await user.submit(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>Param</DataType><Schedule><Start>${new Date(start_).toISOString()}</Start><Period>PT1S</Period><Until>${new Date(start_ + 2100).toISOString()}</Until></Schedule>`,
    );
    expect((await user.ended(id)).State).toBe('COMPLETED');
    const parts = await Promise.all([1, 2, 3].map((ordinal) => user.part(id, ordinal)));
    expect(parts.map(({ name, last }) => [parseFileName(name)?.part, last])).toEqual([
      [1, 'false'],
      [1, 'false'],
      [1, 'true'],
    ]);
    expect(new Set(parts.map(({ name }) => name)).size).toBe(3);
    const times = (await Promise.all(parts.map(({ content }) => elementsOf(content)))).flat().map(elementTime);
    expect(new Set(times).size).toBe(times.length);
    expect(times.length).toBe(3);
  });
});
