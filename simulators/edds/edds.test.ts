import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { createClientAsync } from 'soap';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  elementPacket,
  elementTime,
  parseFileName,
  parseRequestId,
  type RawElement,
  type ResponseElement,
  readHexPackets,
  readResponse,
  type TcReportElement,
} from '../../src/formats/edds-response/index.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import { crc16Holds, summarise } from '../../src/formats/space-packet/index.js';
import { describeWithService } from '../../test/services/index.js';
import { type EddsSimulator, type EddsSimulatorOptions, startEddsSimulator } from './index.js';
import { all, envelope, type RawAnswer, rawCall, textOf } from './testing.js';

const FAST: EddsSimulatorOptions['times'] = { start: 20, duration: 20, tick: 10 };
const BEGIN = Date.UTC(2020, 11, 1);
const ARCHIVE: EddsSimulatorOptions['archive'] = {
  begin: BEGIN,
  end: BEGIN + 3_600_000,
  packetInterval: 100_000,
  commandInterval: 10_000_000,
  sampleInterval: 1_000_000,
  files: 12,
};
const HOUR = '<TimeRange><Begin>2020-12-01T00:00:00Z</Begin><End>2020-12-01T01:00:00Z</End></TimeRange>';
const TEN_SECONDS = '<TimeRange><Begin>2020-12-01T00:00:00Z</Begin><End>2020-12-01T00:00:10Z</End></TimeRange>';

const samples = join(import.meta.dirname, '../../../shared/samples/edds');
const folders: string[] = [];
const running: EddsSimulator[] = [];

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'edds-test-'));
  folders.push(made);
  return made;
}
async function start(options: EddsSimulatorOptions = {}): Promise<EddsSimulator> {
  const simulator = await startEddsSimulator({ times: FAST, archive: ARCHIVE, ...options } as EddsSimulatorOptions);
  running.push(simulator);
  return simulator;
}
afterAll(async () => {
  await Promise.all(running.map((simulator) => simulator.stop().catch(() => undefined)));
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

/** A logged-in user of a simulator. */
async function session(simulator: EddsSimulator, user = 'ops') {
  const login = await rawCall(simulator.url, envelope('login', `<user>${user}</user><password>${user}</password>`));
  const token = textOf(login.body, 'token')!;
  const call = (operation: string, children = ''): Promise<RawAnswer> =>
    rawCall(simulator.url, envelope(operation, `<token>${token}</token>${children}`));
  const submit = async (operation: string, request: string): Promise<string> => {
    const { body } = await call(operation, `<request>${request}</request>`);
    const id = textOf(body, 'requestId');
    if (id === null) throw new Error(textOf(body, 'Message') ?? 'no request id');
    return id;
  };
  const status = async (id: string): Promise<Record<string, string>> => {
    const { body } = await call('getStatus', `<requestId>${id}</requestId>`);
    return Object.fromEntries(body.children[0]!.children.map((child) => [child.name, child.text]));
  };
  const ended = async (id: string): Promise<Record<string, string>> => {
    for (let turn = 0; turn < 500; turn++) {
      const now = await status(id);
      if (now.State !== 'SUBMITTED' && now.State !== 'ACTIVE') return now;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${id} did not end`);
  };
  const part = async (id: string, ordinal?: number) => {
    const { body } = await call(
      'getResponse',
      `<requestId>${id}</requestId>${ordinal === undefined ? '' : `<part>${ordinal}</part>`}`,
    );
    const content = textOf(body, 'Content');
    return {
      code: textOf(body, 'Code'),
      last: textOf(body, 'LastPart'),
      name: textOf(body, 'FileName') ?? '',
      type: textOf(body, 'ContentType'),
      size: Number(textOf(body, 'Size')),
      content: content === null ? Buffer.alloc(0) : Buffer.from(content, 'base64'),
    };
  };
  const fetch = async (operation: string, request: string) => {
    const id = await submit(operation, request);
    await ended(id);
    return { id, ...(await part(id)) };
  };
  const code = async (operation: string, children: string): Promise<string | null> =>
    textOf((await call(operation, children)).body, 'Code');
  return { token, login, call, submit, status, ended, part, fetch, code };
}

async function elementsOf(content: Uint8Array): Promise<ResponseElement[]> {
  const elements: ResponseElement[] = [];
  for await (const element of readResponse([content], { onProblem: (problem) => expect.fail(problem.reason) }))
    elements.push(element);
  return elements;
}

let edds: EddsSimulator;
beforeAll(async () => {
  edds = await start();
});

describe('binding', () => {
  it("serves the WSDL with the address the caller used, in any case of the query, and says that it is not ESA's", async () => {
    const text = await (await fetch(edds.wsdlUrl.replace('127.0.0.1', 'localhost').replace('wsdl', 'WSDL'))).text();
    expect(text).toContain(`location="http://localhost:${edds.port}/edds/services/EddsService"`);
    expect(text.slice(0, 200)).toContain("not ESA's");
    expect((await fetch(edds.url)).status).toBe(405);
  });

  it('answers with HTTP 200 and text/xml, faults with HTTP 500 and the code in the detail', async () => {
    const good = await rawCall(edds.url, envelope('login', '<user>ops</user><password>ops</password>'));
    expect([good.status, good.type]).toEqual([200, 'text/xml; charset=utf-8']);
    const bad = await rawCall(edds.url, envelope('login', '<user>ops</user><password>secret-1</password>'));
    expect([bad.status, bad.body.name, textOf(bad.body, 'faultcode'), textOf(bad.body, 'Code')]).toEqual([
      500,
      'Fault',
      's:Client',
      'AUTH_FAILED',
    ]);
    expect(bad.text).not.toContain('secret-1');
    const unknown = await rawCall(edds.url, envelope('login', '<user>nobody</user><password>x</password>'));
    expect(unknown.text).toBe(bad.text);
  });

  it.each([
    ['XML that is not well-formed', '<a><b></a>'],
    ['an empty body', ''],
    ['no envelope', '<a/>'],
    ['a DOCTYPE', `<!DOCTYPE a [<!ENTITY x "y">]>${envelope('login', '<user>&x;</user><password>ops</password>')}`],
    ['an unknown operation', envelope('shutDown', '')],
    ['another namespace', envelope('login', '').replaceAll('urn:edds-sim:service:1', 'urn:other')],
    ['a missing argument', envelope('login', '<user>ops</user>')],
    ['an unknown argument', envelope('login', '<user>ops</user><password>ops</password><more/>')],
    ['two body children', envelope('login', '').replace('</s:Body>', '<x/></s:Body>')],
  ])('refuses %s as INVALID_REQUEST', async (_, body) => {
    const answer = await rawCall(edds.url, body);
    expect([answer.status, textOf(answer.body, 'Code')]).toEqual([500, 'INVALID_REQUEST']);
  });

  it('accepts any prefix, comments, CDATA, any SOAPAction and UTF-16', async () => {
    const text = envelope('login', '<user><!-- x --><![CDATA[ops]]></user><password>ops</password>').replace(
      /(<\/?|xmlns:)s(?=[:=])/g,
      '$1anything',
    );
    expect((await rawCall(edds.url, text, { soapaction: '"whatever"' })).body.name).toBe('loginResponse');
    expect((await rawCall(edds.url, Buffer.from(`\ufeff${text}`, 'utf16le'))).body.name).toBe('loginResponse');
  });

  it('faults on headers it must understand and does not, limits the request', async () => {
    const header = '<x:Security xmlns:x="urn:x" s:mustUnderstand="1"/>';
    const answer = await rawCall(edds.url, envelope('login', '<user>ops</user><password>ops</password>', header));
    expect(textOf(answer.body, 'faultcode')).toBe('s:MustUnderstand');
    const long = await rawCall(edds.url, envelope('login', `<user>${'x'.repeat(1_100_000)}</user><password/>`));
    expect([textOf(long.body, 'Code'), textOf(long.body, 'Message')]).toEqual([
      'INVALID_REQUEST',
      expect.stringContaining('longer than'),
    ]);
  });

  it('is understood by a SOAP client from its WSDL alone', async () => {
    const client = await createClientAsync(edds.wsdlUrl);
    const [login] = await client.loginAsync!({ user: 'ops', password: 'ops' });
    expect(login.token).toMatch(/^[0-9A-F]{32}$/);
    const [catalogue] = await client.getCatalogueAsync!({ token: login.token, domain: 'SOL', dataType: 'Param' });
    expect(catalogue.entry.map((entry: { Name: string }) => entry.Name)).toEqual(['NIXD0023', 'NPLD0101', 'NPLD0200']);
    const [request] = await client.batchRequestAsync!({
      token: login.token,
      request: {
        Domain: 'SOL',
        DataType: 'PktTmRaw',
        TimeRange: { Begin: '2020-12-01T00:00:00Z', End: '2020-12-01T00:00:10Z' },
        Filter: { Apid: [1444, 1420] },
      },
    });
    expect(parseRequestId(request.requestId)).toMatchObject({ type: 'PktTmRaw', domain: 'SOL', number: 0 });
  });
});

describe('token', () => {
  it('is 32 upper-case hex characters, also set as cookie, and taken as child, header or cookie', async () => {
    const { token, login } = await session(edds);
    expect(token).toMatch(/^[0-9A-F]{32}$/);
    expect(login.cookie).toContain(`JSESSIONID=${token}`);
    const header = `<e:Token xmlns:e="urn:edds-sim:service:1">${token}</e:Token>`;
    const ways = await Promise.all([
      rawCall(edds.url, envelope('getJobs', `<token>${token}</token>`)),
      rawCall(edds.url, envelope('getJobs', '', header)),
      rawCall(edds.url, envelope('getJobs', ''), { cookie: `a=b; JSESSIONID=${token}` }),
    ]);
    expect(ways.map(({ body }) => body.name)).toEqual(['getJobsResponse', 'getJobsResponse', 'getJobsResponse']);
    const childFirst = await rawCall(edds.url, envelope('getJobs', '<token>X</token>', header));
    expect(textOf(childFirst.body, 'Code')).toBe('NOT_AUTHENTICATED');
    expect(textOf((await rawCall(edds.url, envelope('getJobs', ''))).body, 'Code')).toBe('NOT_AUTHENTICATED');
  });

  it('ends with logout or idleness, of that session only', async () => {
    let now = Date.now();
    const own = await start({ clock: () => now, times: { ...FAST, sessionIdle: 1000 } });
    const [one, two, three] = [await session(own), await session(own), await session(own)];
    await one.call('logout');
    expect(await one.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
    now += 900;
    expect(await two.code('getJobs', '')).toBeNull();
    now += 900;
    expect(await two.code('getJobs', '')).toBeNull();
    expect(await three.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
  });
});

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
    const id = await user.submit('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`);
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
    const request = `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`;
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
    const id = await user.submit('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`);
    const cancelled = await user.call('cancelRequest', `<requestId>${id}</requestId>`);
    edds.control.clear();
    expect(textOf(cancelled.body, 'State')).toBe('CANCELLED');
    expect((await user.ended(id)).State).toBe('CANCELLED');
    expect((await user.part(id)).code).toBe('NO_SUCH_PART');
    const { id: done } = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}`,
    );
    expect(textOf((await user.call('cancelRequest', `<requestId>${done}</requestId>`)).body, 'State')).toBe(
      'COMPLETED',
    );
  });

  it('expire: state EXPIRED, the content gone', async () => {
    let now = Date.now();
    const own = await start({ clock: () => now });
    const id = await (await session(own)).submit(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`,
    );
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
    const request = `<request><Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}</request>`;
    expect(await user.code('batchRequest', request)).toBeNull();
    expect(await user.code('batchRequest', request)).toBe('LIMIT_EXCEEDED');
  });
});

describe('responses', () => {
  it('of MaxElements n have n elements each, packetID runs on, LastPart is on the last only, names are of the grammar', async () => {
    const user = await session(edds);
    const { id } = await user.fetch(
      'batchRequest',
      `<Name>IX4.DAY2</Name><Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}<MaxElements>40</MaxElements>`,
    );
    const parts = await Promise.all([1, 2, 3].map((ordinal) => user.part(id, ordinal)));
    expect(parts.map(({ last }) => last)).toEqual(['false', 'false', 'true']);
    expect(parts.map(({ size, content }) => size === content.length)).toEqual([true, true, true]);
    expect(parts.map(({ name }) => parseFileName(name))).toEqual(
      [1, 2, 3].map((part) =>
        expect.objectContaining({
          prefix: 'IX4.DAY2.',
          part,
          extension: 'xml',
          requestId: expect.objectContaining({ text: id }),
        }),
      ),
    );
    const elements = await Promise.all(parts.map(({ content }) => elementsOf(content)));
    expect(elements.map(({ length }) => length)).toEqual([40, 40, 20]);
    expect(elements.flat().map((element) => (element as RawElement).packetId)).toEqual(
      Array.from({ length: 100 }, (_, index) => String(index + 1)),
    );
    expect((await user.part(id, 4)).code).toBe('NO_SUCH_PART');
    expect((await user.part(id, 2)).content.equals(parts[1]!.content)).toBe(true);
  });

  it('without data are one part with all wrappers and no element, or no part where so configured', async () => {
    const before = '<TimeRange><Begin>2019-01-01T00:00:00Z</Begin><End>2019-01-02T00:00:00Z</End></TimeRange>';
    const user = await session(edds);
    const { content, last } = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTcReport</DataType>${before}`,
    );
    expect([last, content.toString().includes('<PktTcReportList></PktTcReportList>')]).toEqual(['true', true]);
    const other = await session(await start({ partWhenEmpty: false }));
    expect(
      (await other.fetch('batchRequest', `<Domain>SOL</Domain><DataType>PktTcReport</DataType>${before}`)).code,
    ).toBe('NO_SUCH_PART');
  });

  it('come as hex of bare packets and as ZIP with the plain name inside', async () => {
    const user = await session(edds);
    const hex = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}<Format>HEX</Format><MaxElements>5</MaxElements>`,
    );
    const packets: Uint8Array[] = [];
    for await (const packet of readHexPackets([hex.content], (problem) => expect.fail(problem.reason)))
      packets.push(packet);
    expect([packets.length, hex.last, parseFileName(hex.name)?.extension]).toEqual([100, 'true', 'hex']);
    const zip = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}<Compression>ZIP</Compression>`,
    );
    const members = unzipSync(zip.content);
    expect(Object.keys(members)).toEqual([zip.name.replace(/\.zip$/, '')]);
    const elements = await elementsOf(Object.values(members)[0]!);
    expect(elements.map((element) => Buffer.from(elementPacket(element)!).toString('hex'))).toEqual(
      packets.map((one) => Buffer.from(one).toString('hex')),
    );
  });

  it('carry real space packets: counters without gap, equal in header and packet', async () => {
    const user = await session(edds);
    const { content } = await user.fetch('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${HOUR}`);
    const elements = await elementsOf(content);
    const records = elements.map((element) => decodeRecord((element as RawElement).bytes));
    expect(records).toHaveLength(36_000);
    expect(records.flatMap(({ problems }) => problems)).toEqual([]);
    const summary = await summarise(records.map(({ content: packet }) => packet));
    expect([summary.packets, summary.gapCount, summary.problemCount]).toEqual([36_000, 0, 0]);
    expect(records.map(({ header }) => header.sequence)).toEqual(
      Array.from({ length: 36_000 }, (_, index) => 14_981 + index),
    );
  });

  it.skipIf(!existsSync(samples))(
    `look like the originals${existsSync(samples) ? '' : ' (no ../shared/samples)'}`,
    async () => {
      const user = await session(edds);
      const skeleton = (text: string) =>
        text
          .replace(/>[^<>]*[^<>\s][^<>]*</g, '>…<')
          .replace(/packetID="\d+"/g, 'packetID="n"')
          .split('\n');
      const tm = (
        await user.fetch('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`)
      ).content.toString();
      const original = readFileSync(join(samples, 'solo_stix_PktTmRaw_10pkt.xml'), 'utf8');
      expect(skeleton(tm).slice(0, 24)).toEqual(skeleton(original).slice(0, 24));
      const tc = (
        await user.fetch(
          'batchRequest',
          '<Domain>SOL</Domain><DataType>PktTcReport</DataType><TimeRange><Begin>2020-12-01T00:00:00Z</Begin><End>2020-12-01T00:00:10Z</End></TimeRange>',
        )
      ).content.toString();
      const names = (text: string) => [...new Set([...text.matchAll(/<(\w[\w:]*)/g)].map(([, name]) => name))];
      expect(names(tc)).toEqual(names(readFileSync(join(samples, 'solo_stix_PktTcReport_trimmed.xml'), 'utf8')));
    },
  );

  it('of commands are sorted by execution, release before it, hold the whole packet with its checksum, and repeat one now and then', async () => {
    const user = await session(edds);
    const { content } = await user.fetch('batchRequest', `<Domain>SOL</Domain><DataType>PktTcReport</DataType>${HOUR}`);
    const commands = (await elementsOf(content)) as TcReportElement[];
    expect(commands).toHaveLength(360);
    const executed = commands.map(({ fields }) => fields.ExecutionTime!);
    expect(executed).toEqual(executed.toSorted());
    for (const { fields, rawBody } of commands) {
      expect(fields.ReleaseTime! < fields.ExecutionTime!).toBe(true);
      expect([Number(fields.Apid) >> 4, Number(fields.Apid) & 15]).toEqual([
        Number(fields.Pid),
        Number(fields.Category),
      ]);
      expect(crc16Holds(rawBody!)).toBe(true);
    }
    const unique = commands.map(({ customFields }) => customFields[1]!.value);
    expect(new Set(unique).size).toBeLessThan(unique.length);
    const raw = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTcRaw</DataType>${HOUR}<Filter><CommandName>ZPL01704</CommandName></Filter>`,
    );
    const records = (await elementsOf(raw.content)).map((element) => decodeRecord((element as RawElement).bytes));
    expect(records.length).toBeGreaterThan(50);
    expect(records.map(({ header, problems }) => [header.type, header.service, problems])).toEqual(
      records.map(() => ['TC', 17, []]),
    );
  });

  it('of parameters and files', async () => {
    const user = await session(edds);
    const { content } = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>Param</DataType>${HOUR}<Filter><ParameterName>NPLD0101</ParameterName></Filter>`,
    );
    const elements = await elementsOf(content);
    expect(elements).toHaveLength(1200);
    expect(elements[0]).toMatchObject({
      fields: { Name: 'NPLD0101', Unit: 'V', TimeStampAsciiA: '2020-12-01T00:00:01.000000' },
    });
    const entry = all((await user.call('getCatalogue', '<domain>SOL</domain><dataType>File</dataType>')).body, 'entry');
    expect(entry).toHaveLength(12);
    const file = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>File</DataType><Filter><FileName>${textOf(entry[3]!, 'FileName')}</FileName></Filter>`,
    );
    expect(String(file.content.length)).toBe(textOf(entry[3]!, 'FileSize'));
  });
});

describe('catalogue', () => {
  it('has an entry for each packet kind, command, parameter and file of the domains granted', async () => {
    const solo = await session(edds, 'solo');
    const entries = all((await solo.call('getCatalogue')).body, 'entry');
    expect(new Set(entries.map((entry) => textOf(entry, 'Domain')))).toEqual(new Set(['SOL']));
    const types = entries.map((entry) => textOf(entry, 'DataType'));
    expect(
      Object.fromEntries([...new Set(types)].map((type) => [type, types.filter((one) => one === type).length])),
    ).toEqual({
      PktTmRaw: 5,
      PktTcReport: 3,
      PktTcRaw: 3,
      Param: 3,
      File: 12,
    });
    expect(all((await solo.call('getCatalogue', '<domain>BC</domain>')).body, 'entry')).toEqual([]);
    const counted = entries
      .filter((entry) => textOf(entry, 'DataType') === 'PktTmRaw')
      .map((entry) => Number(textOf(entry, 'Count')));
    expect(counted.reduce((sum, count) => sum + count)).toBe(36_000);
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

describe('late data', () => {
  it('asked again later the same interval holds more, told apart by creation time', async () => {
    let now = BEGIN + 600_000;
    const own = await start({ clock: () => now, archive: { ...ARCHIVE, end: null } });
    const ask = async (filter: string) => {
      const user = await session(own);
      const id = await user.submit('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${filter}`);
      for (let turn = 0; turn < 300 && own.control.jobs().at(-1)!.state !== 'COMPLETED'; turn++) {
        now += 30;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return elementsOf((await user.part(id)).content);
    };
    const early = await ask(TEN_SECONDS);
    now = BEGIN + 3 * 3_600_000;
    expect(early).toHaveLength(85);
    expect(await ask(TEN_SECONDS)).toHaveLength(100);
    const late = await ask(
      '<TimeRange><Begin>2020-12-01T02:00:00Z</Begin><End>2020-12-01T02:00:10Z</End><TimeField>CreationTime</TimeField></TimeRange><Filter><Apid>1460</Apid></Filter>',
    );
    expect(late).toHaveLength(15);
  });
});

describe('delivery', () => {
  const request = (delivery: string) =>
    `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}<MaxElements>50</MaxElements><Delivery>${delivery}</Delivery>`;

  it('to a folder within the roots: COMPLETED only when all is there, nothing to fetch, no password anywhere', async () => {
    const root = folder();
    const own = await start({ fileRoots: [root] });
    const user = await session(own);
    const id = await user.submit(
      'batchRequest',
      request(
        `<FileServerDelivery><Protocol>FILE</Protocol><Directory>${root}/in</Directory><Password>hidden-7</Password></FileServerDelivery>`,
      ),
    );
    expect((await user.ended(id)).State).toBe('COMPLETED');
    const names = readdirSync(join(root, 'in')).sort();
    expect(names.map((name) => parseFileName(name)?.part)).toEqual([1, 2]);
    expect(await elementsOf(readFileSync(join(root, 'in', names[0]!)))).toHaveLength(50);
    expect((await user.part(id)).code).toBe('NO_SUCH_PART');
    expect((await user.call('getJobs')).text).not.toContain('hidden-7');
  });

  it('that fails: FAILED, DELIVERY_FAILED, a reason', async () => {
    const user = await session(edds);
    const id = await user.submit(
      'batchRequest',
      request(
        '<FileServerDelivery><Protocol>SFTP</Protocol><Host>127.0.0.1</Host><Port>9</Port><Directory>/x</Directory><UserName>u</UserName><Password>hidden-8</Password></FileServerDelivery>',
      ),
    );
    const status = await user.ended(id);
    expect([status.State, status.Error]).toEqual(['FAILED', 'DELIVERY_FAILED']);
    expect(status.Reason).toContain('ECONNREFUSED');
    expect(status.Reason).not.toContain('hidden-8');
  });
});

for (const name of ['openssh', 'proftpd'] as const) {
  await describeWithService(name, 'delivery by SFTP', (server) => {
    it('writes every file complete under its name', async () => {
      const own = await start();
      const user = await session(own);
      const { hostname, port } = new URL(server.url);
      const id = await user.submit(
        'batchRequest',
        `<Name>t${Date.now()}</Name><Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}<Delivery><FileServerDelivery><Protocol>SFTP</Protocol><Host>${hostname}</Host><Port>${port}</Port><Directory>${server.folder}</Directory><UserName>${server.username}</UserName><Password>${server.password}</Password></FileServerDelivery></Delivery>`,
      );
      const status = await user.ended(id);
      expect([status.State, status.Reason]).toEqual(['COMPLETED', '']);
      const file = readdirSync(server.localFolder!).find((one) => one.includes(id))!;
      expect(parseFileName(file)?.part).toBe(1);
      expect(await elementsOf(readFileSync(join(server.localFolder!, file)))).toHaveLength(100);
    });
  });
}

describe('restart', () => {
  it('keeps jobs, parts and the archive, not the sessions', async () => {
    const state = folder();
    const first = await start({ folder: state });
    const user = await session(first);
    const { id, content, name } = await user.fetch(
      'batchRequest',
      `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`,
    );
    first.control.switches.stuck = true;
    const open = await user.submit('batchRequest', `<Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}`);
    await first.stop();
    const second = await start({ folder: state, archive: { begin: 0 } });
    const again = await session(second);
    expect(await again.part(id)).toMatchObject({ name, content });
    expect((await again.ended(open)).State).toBe('COMPLETED');
    const now = await again.fetch('batchRequest', `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`);
    expect(now.content.equals(content)).toBe(true);
    expect(textOf((await rawCall(second.url, envelope('getJobs', `<token>${user.token}</token>`))).body, 'Code')).toBe(
      'NOT_AUTHENTICATED',
    );
  });
});

describe('switches', () => {
  it('make calls fail as told, and only as often as told', async () => {
    const own = await start();
    const user = await session(own);
    own.control.inject({ effect: 'fault-200', operation: 'getJobs' });
    const fault = await user.call('getJobs');
    expect([fault.status, textOf(fault.body, 'Code'), textOf(fault.body, 'faultcode')]).toEqual([
      200,
      'INTERNAL',
      's:Server',
    ]);
    own.control.inject({ effect: 'fault-500', operation: 'getJobs' });
    expect((await user.call('getJobs')).status).toBe(500);
    for (const effect of ['reset', 'cut-xml', 'wrong-length', 'unavailable'] as const) {
      own.control.inject({ effect });
      await expect(user.call('getJobs'), effect).rejects.toThrow();
    }
    own.control.inject({ effect: 'lost-answer', operation: 'batchRequest' });
    await expect(
      user.submit('batchRequest', `<Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}`),
    ).rejects.toThrow();
    expect(own.control.jobs()).toHaveLength(1);
    own.control.inject({ effect: 'expire-token' });
    expect(await user.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
  });

  it('of jobs and data', async () => {
    const own = await start();
    const user = await session(own);
    const request = `<Domain>SOL</Domain><DataType>PktTmRaw</DataType>${TEN_SECONDS}`;
    own.control.switches.fail = 'the archive is down';
    const failed = await user.ended(await user.submit('batchRequest', request));
    expect([failed.State, failed.Error, failed.Reason]).toEqual(['FAILED', 'INTERNAL', 'the archive is down']);
    own.control.clear();
    Object.assign(own.control.switches, { emptyPacket: true, outOfOrder: true });
    const { content, id } = await user.fetch('batchRequest', request);
    expect(content.toString().split('<PktRawResponseElement ').length - 1).toBe(100);
    const times = (await elementsOf(content)).map((element) => elementTime(element)!);
    expect(times).toHaveLength(90);
    expect(times.some((time, index) => index > 0 && time < times[index - 1]!)).toBe(true);
    own.control.switches.state = 'PONDERING';
    expect((await user.status(id)).State).toBe('PONDERING');
    own.control.clear();
    const before = (await user.part(id)).name;
    await own.control.reissue(id, 1);
    const after = await user.part(id);
    expect(after.name).not.toBe(before);
    expect(await elementsOf(after.content)).toHaveLength(100);
    own.control.switches.catalogueFiles = 10_000;
    expect(
      all((await user.call('getCatalogue', '<domain>SOL</domain><dataType>File</dataType>')).body, 'entry'),
    ).toHaveLength(10_000);
  });
});

describe('switches over HTTP', () => {
  const control = async (own: EddsSimulator, path: string, body?: object) => {
    const response = await fetch(`${own.controlUrl}/${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('do what the switches do, count what was asked, and say what is wrong', async () => {
    const own = await start();
    const user = await session(own);
    const id = await user.submit('batchRequest', `<Domain>SOL</Domain><DataType>Param</DataType>${TEN_SECONDS}`);
    await user.ended(id);
    await control(own, 'fault', { effect: 'fault-500', operation: 'getJobs', times: 1 });
    expect((await user.call('getJobs')).status).toBe(500);
    expect((await control(own, 'switches', { state: 'PONDERING' })).body.switches).toMatchObject({
      state: 'PONDERING',
    });
    expect((await user.status(id)).State).toBe('PONDERING');
    await control(own, 'clear', {});
    const { name } = await user.part(id);
    await control(own, 'reissue', { requestId: id, part: 1 });
    expect((await user.part(id)).name).not.toBe(name);
    const { body } = await control(own, 'state');
    expect(body).toMatchObject({
      calls: { getJobs: 1, batchRequest: 1 },
      jobs: [{ id, state: 'COMPLETED', name: null }],
    });
    await control(own, 'expire-tokens', {});
    expect(await user.code('getJobs', '')).toBe('NOT_AUTHENTICATED');
    expect(await control(own, 'fault', { effect: 'thunder' })).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^effect must be one of fault-500, /) },
    });
    expect((await control(own, 'switches', { stuck: 'yes' })).body.error).toBe('stuck must be boolean');
    expect((await control(own, 'nothing')).status).toBe(404);
  });
});

describe('a crash', () => {
  it('takes back nothing that a caller was told: parts show only once they are on the disk', async () => {
    const state = folder();
    const own = await start({ folder: state, archive: { ...ARCHIVE, begin: Date.now() - 10_800_000, end: null } });
    const user = await session(own);
    const id = await user.submit(
      'streamRequest',
      '<Domain>SOL</Domain><DataType>PktTmStream</DataType><PartSeconds>1</PartSeconds>',
    );
    for (let turn = 0; turn < 400; turn++) {
      const shown = own.control.jobs().find((job) => job.id === id)!.parts.length;
      const saved = JSON.parse(readFileSync(join(state, 'state.json'), 'utf8')) as { jobs: { parts: unknown[] }[] };
      expect(saved.jobs[0]?.parts.length ?? 0).toBeGreaterThanOrEqual(shown);
      if (shown >= 2) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect.fail('no two parts came');
  });
});

describe('a site of another shape', () => {
  it('is served with other names, SOAP 1.2, qualified children, cookie and attachments', async () => {
    const own = await start({ shape: 'alternative' });
    const client = await createClientAsync(own.wsdlUrl, { forceSoap12Headers: true });
    expect(Object.keys(client.describe().DisseminationService.DisseminationPort)).toContain('orderRetrieval');
    const [, , headers] = await client.authenticateAsync!({ loginName: 'ops', secret: 'ops' });
    expect(headers).toBeUndefined();
    const cookie = String(client.lastResponseHeaders!['set-cookie']).split(';')[0]!;
    expect(cookie).toMatch(/^EDDSSESSION=[0-9A-F]{32}$/);
    client.addHttpHeader('cookie', cookie);
    const [ordered] = await client.orderRetrievalAsync!({
      order: {
        Mission: 'SOL',
        Product: 'PktTmRaw',
        TimeRange: { From: '2020-12-01T00:00:00Z', To: '2020-12-01T00:00:10Z' },
      },
    });
    for (let phase = ''; phase !== 'DONE'; ) {
      const [{ job }] = await client.inquireAsync!({ orderNumber: ordered.orderNumber });
      phase = job.Phase;
    }
    const raw = `<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body><fetchPart xmlns="urn:edds-sim:alternative:1"><orderNumber>${ordered.orderNumber}</orderNumber></fetchPart></env:Body></env:Envelope>`;
    const answer = await fetch(own.url, {
      method: 'POST',
      body: raw,
      headers: { cookie, 'content-type': 'application/soap+xml' },
    });
    expect(answer.headers.get('content-type')).toContain('multipart/related');
    const text = await answer.text();
    expect(text).toContain('<e:Segments>1</e:Segments>');
    expect(text.split('packetID=').length - 1).toBe(100);
    const fault = await fetch(own.url, {
      method: 'POST',
      body: raw,
      headers: { 'content-type': 'application/soap+xml' },
    });
    expect([fault.status, await fault.text()]).toEqual([
      400,
      expect.stringContaining('<e:Reason1>NOT_AUTHENTICATED</e:Reason1>'),
    ]);
  });
});
