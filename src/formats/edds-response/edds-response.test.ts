import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CustomField,
  convertElements,
  convertResponse,
  elementPacket,
  elementTime,
  type ParamElement,
  problemText,
  type RawElement,
  type ResponseElement,
  type ResponseKind,
  type ResponseProblem,
  readResponse,
  TC_FIELDS,
  TC_PARAMETER_FIELDS,
  type TcReportElement,
  writeResponse,
} from './index.js';

const samples = join(import.meta.dirname, '../../../../shared/samples/edds');
const absent = !existsSync(samples);

async function read(
  file: Uint8Array,
  cut = 4096,
): Promise<{ elements: ResponseElement[]; problems: ResponseProblem[] }> {
  const problems: ResponseProblem[] = [];
  const elements: ResponseElement[] = [];
  for await (const element of readResponse(pieces(file, cut), { onProblem: (problem) => problems.push(problem) })) {
    elements.push(element);
  }
  return { elements, problems };
}

async function written(kind: ResponseKind, elements: readonly ResponseElement[]): Promise<string> {
  return (await collect(writeResponse(kind, elements))).toString();
}

const shell = (inner: string) =>
  Buffer.from(
    `<?xml version="1.0"?><q:ResponsePart xmlns:q="http://edds.egos.esa/model"><Response>${inner}</Response></q:ResponsePart>`,
  );

const text = fc
  .string({ unit: 'binary', maxLength: 20 })
  .map((value) => value.replace(/[^\t\n\u0020-\ud7ff\ue000-\ufffd]/g, '').trim());
const micros = fc.bigInt({ min: 0n, max: 2n ** 52n }).map((value) => {
  const whole = new Date(Number(value / 1_000_000n) * 1000).toISOString().slice(0, 19);
  return `${whole}.${(value % 1_000_000n).toString().padStart(6, '0')}`;
});
const raw: fc.Arbitrary<RawElement> = fc.record({
  kind: fc.constant('raw' as const),
  packetId: fc.constant(null),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});
const tcReport: fc.Arbitrary<TcReportElement> = fc.record({
  kind: fc.constant('tc-report' as const),
  fields: fc
    .tuple(fc.dictionary(fc.constantFrom(...TC_FIELDS), text), micros)
    .map(([fields, time]) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, /^[RUE]\w+Time$/.test(name) ? `${time}Z` : value]),
      ),
    ),
  customFields: fc.array(
    fc.record({
      name: fc.constantFrom('uniqueID', 's13ObFileId'),
      type: fc.option(fc.constant('String')),
      value: text,
    }),
    { maxLength: 4 },
  ) as fc.Arbitrary<CustomField[]>,
  parameters: fc.array(fc.dictionary(fc.constantFrom(...TC_PARAMETER_FIELDS), text), { maxLength: 4 }),
  rawBody: fc.option(fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes))),
});
const param: fc.Arbitrary<ParamElement> = fc.record({
  kind: fc.constant('param' as const),
  fields: fc.record({
    Name: text,
    TimeStampAsciiA: micros,
    Unit: text,
    EngineeringValue: text,
    RawValue: text,
    Validity: fc.constant('VALID'),
  }),
});
const response = fc.oneof(
  fc.tuple(fc.constant('raw' as const), fc.array(raw)),
  fc.tuple(fc.constant('tc-report' as const), fc.array(tcReport)),
  fc.tuple(fc.constant('param' as const), fc.array(param)),
) as fc.Arbitrary<[ResponseKind, ResponseElement[]]>;

describe.skipIf(absent)(`real response files${absent ? ' (no ../shared/samples)' : ''}`, () => {
  it('are written again to the letter: commands', async () => {
    const file = readFileSync(join(samples, 'solo_stix_PktTcReport_trimmed.xml'));
    const { elements, problems } = await read(file);
    expect([elements.length, problems]).toEqual([1, []]);
    const report = elements[0] as TcReportElement;
    expect(report.fields).toMatchObject({
      CommandName: 'ZIX0602A',
      SubSystemId: 'STIX (105)',
      SequenceName: '',
      FrameCount: '0',
    });
    expect(report.customFields[1]).toEqual({ name: 'uniqueID', type: 'String', value: 'SSTXfb35d8a70da94cf5' });
    expect(report.parameters.map(({ ParameterName }) => ParameterName)).toEqual([
      'PIX00003',
      'PIX00004',
      'PIX00005',
      'PIX00058',
      'PIX00058',
      'PIX00058',
    ]);
    expect(await written('tc-report', elements)).toBe(file.toString());
  });

  it('are written again to the letter: telemetry, up to the closing tags that were re-indented in the sample', async () => {
    const file = readFileSync(join(samples, 'solo_stix_PktTmRaw_10pkt.xml')).toString();
    const { elements, problems } = await read(Buffer.from(file), 61);
    expect([elements.length, problems]).toEqual([10, []]);
    const end = '</PktRawResponseElement>';
    const upToEnd = (content: string) => content.slice(0, content.lastIndexOf(end) + end.length);
    const again = await written('raw', elements);
    expect(upToEnd(again)).toBe(upToEnd(file));
    expect(again.slice(upToEnd(again).length)).toBe(
      '        </PktRawResponse>\n    </Response>\n</ns2:ResponsePart>\n',
    );
  });

  it('keep every whole element when cut off at any character, and say where', async () => {
    const file = readFileSync(join(samples, 'solo_stix_PktTmRaw_10pkt.xml'));
    for (let length = 0; length < file.length; length += 7) {
      const { elements, problems } = await read(file.subarray(0, length));
      const whole = file.subarray(0, length).toString().split('</PktRawResponseElement>').length - 1;
      expect(elements.length, `${length}`).toBe(whole);
      if (length < file.length - 1)
        expect(
          problems.map(({ kind }) => kind),
          `${length}`,
        ).toEqual(['xml']);
    }
  });
});

describe('writers', () => {
  it('give files from which the reader takes the same elements, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(response, fc.integer({ min: 1, max: 300 }), async ([kind, elements], cut) => {
        const { elements: again, problems } = await read(Buffer.from(await written(kind, elements)), cut);
        expect(problems).toEqual([]);
        expect(again).toEqual(
          elements.map((element, index) =>
            element.kind === 'raw' ? { ...element, packetId: String(index + 1) } : element,
          ),
        );
      }),
    );
  });

  it('satisfy what parsers of consumers demand', async () => {
    await fc.assert(
      fc.asyncProperty(response, async ([kind, elements]) => {
        const file = await written(kind, elements);
        expect(file).toContain('<ns2:ResponsePart xmlns:ns2="http://edds.egos.esa/model">');
        expect(file.match(/<\/?\w+:/g)).toEqual(['<ns2:', '</ns2:']);
        expect(file.split('<PktRawResponseElement ').length).toBe(file.split('packetID="').length);
        for (const [, time] of file.matchAll(/<(?:Release|Uplink|Execution)Time>([^<]*)</g)) {
          expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        }
        for (const [, time] of file.matchAll(/<TimeStampAsciiA>([^<]*)</g)) {
          expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
        }
        for (const [, custom] of file.matchAll(/<CustomField>([\s\S]*?)<\/CustomField>/g)) {
          expect(custom).toMatch(/<FieldName>[\s\S]*<Value>/);
        }
        for (const [, hex] of file.matchAll(/<Packet>([^<]*)</g)) expect(hex).toMatch(/^[0-9a-f]*$/);
        for (const [, hex] of file.matchAll(/<RawBodyData>([^<]*)</g)) expect(hex).toMatch(/^[0-9A-F]*$/);
      }),
    );
  });

  it('write all list wrappers also when there is nothing', async () => {
    expect(await written('tc-report', [])).toContain(
      '            <PktTcReportList></PktTcReportList>\n        </PktTcReportResponse>\n',
    );
    expect(await written('param', [])).toContain('<ParamSampleList></ParamSampleList>');
    expect(await written('raw', [])).toContain('        <PktRawResponse></PktRawResponse>\n    </Response>');
  });

  it('number packets from where they are told, or keep their numbers', async () => {
    const elements: RawElement[] = ['84401', '84402'].map((packetId) => ({
      kind: 'raw',
      packetId,
      bytes: Uint8Array.of(1),
    }));
    const ids = async (firstPacketId: number | 'keep') =>
      [
        ...(await collect(writeResponse('raw', elements, { firstPacketId }))).toString().matchAll(/packetID="(\d+)"/g),
      ].map(([, id]) => id);
    expect(await ids(7)).toEqual(['7', '8']);
    expect(await ids('keep')).toEqual(['84401', '84402']);
  });

  it('normalise times and refuse what is none', async () => {
    const command = (ReleaseTime: string): TcReportElement => ({
      kind: 'tc-report',
      fields: { ReleaseTime },
      customFields: [],
      parameters: [],
      rawBody: null,
    });
    expect(await written('tc-report', [command('2020-05-18T10:02:58+02:00')])).toContain(
      '<ReleaseTime>2020-05-18T08:02:58.000000Z<',
    );
    await expect(written('tc-report', [command('soon')])).rejects.toThrow('ReleaseTime is not a time: soon');
    await expect(written('raw', [command('2020-05-18T10:02:58')])).rejects.toThrow('does not belong');
  });
});

describe('readers accept', () => {
  const packets = async (inner: string) =>
    (await read(shell(inner))).elements.map((element) => Buffer.from((element as RawElement).bytes).toString('hex'));

  it('a single element, any prefix, white space and either case in hex, CDATA and comments', async () => {
    expect(
      await packets(
        '<PktRawResponse><PktRawResponseElement packetID="1"><Packet>\n 0A fF\n\t01 </Packet></PktRawResponseElement></PktRawResponse>',
      ),
    ).toEqual(['0aff01']);
    expect(
      await packets(
        '<PktRawResponse><PktRawResponseElement><!-- x --><Packet><![CDATA[00]]>ff</Packet></PktRawResponseElement></PktRawResponse>',
      ),
    ).toEqual(['00ff']);
    const undeclared =
      '<x:ResponsePart><x:Response><x:PktRawResponse><x:PktRawResponseElement><x:Packet>0102</x:Packet></x:PktRawResponseElement></x:PktRawResponse></x:Response></x:ResponsePart>';
    expect((await read(Buffer.from(undeclared))).elements).toHaveLength(1);
  });

  it('elements without Packet or with an empty one: left out, and nothing said', async () => {
    const file = shell(
      '<PktRawResponse><PktRawResponseElement packetID="1"/><PktRawResponseElement packetID="2"><Packet/></PktRawResponseElement><PktRawResponseElement packetID="3"><Packet>aa</Packet></PktRawResponseElement></PktRawResponse>',
    );
    const { elements, problems } = await read(file);
    expect(elements).toEqual([{ kind: 'raw', packetId: '3', bytes: Buffer.of(0xaa) }]);
    expect(problems).toEqual([]);
  });

  it('empty lists, duplicates and missing optional fields', async () => {
    expect(await read(shell('<PktTcReportResponse><PktTcReportList/></PktTcReportResponse>'))).toEqual({
      elements: [],
      problems: [],
    });
    const one = '<PktTcReportListElement><CommandName>A</CommandName></PktTcReportListElement>';
    const { elements, problems } = await read(
      shell(`<PktTcReportResponse><PktTcReportList>${one}${one}</PktTcReportList></PktTcReportResponse>`),
    );
    expect(elements).toHaveLength(2);
    expect(elements[0]).toEqual(elements[1]);
    expect(elements[0]).toEqual({
      kind: 'tc-report',
      fields: { CommandName: 'A' },
      customFields: [],
      parameters: [],
      rawBody: null,
    });
    expect(problems).toEqual([]);
  });

  it('names that objects have anyway', async () => {
    const { elements } = await read(
      shell(
        '<ParamResponse><ParamSampleList><ParamSampleListElement><constructor>a</constructor><__proto__>b</__proto__></ParamSampleListElement></ParamSampleList></ParamResponse>',
      ),
    );
    expect(Object.entries((elements[0] as ParamElement).fields)).toEqual([
      ['constructor', 'a'],
      ['__proto__', 'b'],
    ]);
  });
});

describe('readers tell the place and keep the good elements', () => {
  const good = '<PktRawResponseElement packetID="1"><Packet>aa</Packet></PktRawResponseElement>';

  it('of hex that is none', async () => {
    const { elements, problems } = await read(
      shell(
        `<PktRawResponse>${good}\n<PktRawResponseElement packetID="2"><Packet>abc</Packet></PktRawResponseElement>\n<PktRawResponseElement packetID="3"><Packet>zz</Packet></PktRawResponseElement>${good}</PktRawResponse>`,
      ),
    );
    expect(elements).toHaveLength(2);
    expect(problems.map(({ kind, line, element, reason }) => [kind, line, element, reason])).toEqual([
      ['element', 2, 2, 'Packet is not a whole number of hex bytes'],
      ['element', 3, 3, 'Packet is not a whole number of hex bytes'],
    ]);
  });

  it('of XML that breaks', async () => {
    const { elements, problems } = await read(shell(`<PktRawResponse>${good}\n<PktRawResponseElement></Packet>`));
    expect(elements).toHaveLength(1);
    expect(problems).toEqual([
      { kind: 'xml', reason: 'Unexpected close tag', position: expect.any(Number), line: 2, element: 0 },
    ]);
  });

  it('of a DOCTYPE, and of a document that is something else', async () => {
    expect((await read(Buffer.from('<!DOCTYPE a><a/>'))).problems[0]?.reason).toBe('a DOCTYPE is not allowed');
    expect((await read(Buffer.from('<html><body/></html>'))).problems[0]?.reason).toContain('holds none of');
  });

  it('of an element beyond the bound, whose text is not kept', async () => {
    const huge = `<PktRawResponseElement packetID="2"><Packet>${'ab'.repeat(5000)}</Packet></PktRawResponseElement>`;
    const problems: ResponseProblem[] = [];
    const elements = [];
    const file = shell(`<PktRawResponse>${huge}${good}</PktRawResponse>`);
    for await (const element of readResponse([file], {
      maxElement: 2000,
      onProblem: (problem) => problems.push(problem),
    }))
      elements.push(element);
    expect(elements).toHaveLength(1);
    expect(problems.map(({ element, reason }) => [element, reason])).toEqual([
      [1, 'the element is longer than 2000 characters'],
    ]);
  });

  it('and never throw or hang on mutated files', async () => {
    await fc.assert(
      fc.asyncProperty(
        response,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))),
        fc.nat(),
        async ([kind, elements], changes, end) => {
          const file = Buffer.from(await written(kind, elements));
          for (const [at, byte] of changes) file[at % file.length] = byte;
          const { elements: kept } = await read(file.subarray(0, end % (file.length + 1)), 50);
          expect(kept.length).toBeLessThanOrEqual(elements.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a file read in one piece', () => {
  it('gives the same elements and problems, at the same places, as read byte by byte, broken or not', async () => {
    const bytes = fc.constantFrom(...Buffer.from('<>&;/ \n]0aZé'));
    await fc.assert(
      fc.asyncProperty(
        response,
        fc.array(fc.tuple(fc.nat(), bytes), { maxLength: 6 }),
        fc.integer({ min: 2, max: 2000 }),
        async ([kind, elements], changes, cut) => {
          const file = Buffer.from(await written(kind, elements));
          for (const [at, byte] of changes) file[at % file.length] = byte;
          expect(await read(file, cut)).toEqual(await read(file, 1));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('also where a packet has references, comments, sections and elements in it', async () => {
    const packets = ['0&#97;1b', '0a<!-- <Packet> -->1b', '<![CDATA[0a]]>1b', '0a<Packet>ff</Packet>1b', '0a]]&gt;'];
    for (const packet of packets) {
      const file = shell(
        `<PktRawResponse><PktRawResponseElement packetID="1"><Packet>${packet}</Packet></PktRawResponseElement></PktRawResponse>`,
      );
      const slow = await read(file, 1);
      for (let cut = 2; cut < file.length + 2; cut += 3) expect(await read(file, cut)).toEqual(slow);
    }
    const entity = shell(
      '<PktRawResponse><PktRawResponseElement packetID="1"><Packet>0&#97;1b</Packet></PktRawResponseElement></PktRawResponse>',
    );
    expect((await read(entity)).elements).toEqual([{ kind: 'raw', packetId: '1', bytes: Buffer.from('0a1b', 'hex') }]);
  });
});

describe('other output forms', () => {
  const tricky: ParamElement = {
    kind: 'param',
    fields: {
      Name: 'A,"B"',
      TimeStampAsciiA: '2020-01-01T00:00:00.000001',
      Unit: 'none',
      Description: 'two\nlines',
      EngineeringValue: '1',
      RawValue: '1',
      Validity: 'VALID',
    },
  };

  it('CSV quotes what needs it and NDJSON has a line for each element', async () => {
    expect((await collect(convertElements('csv', [tricky]))).toString()).toBe(
      'Name,TimeStampAsciiA,Unit,Description,EngineeringValue,RawValue,Validity\r\n"A,""B""",2020-01-01T00:00:00.000001,none,"two\nlines",1,1,VALID\r\n',
    );
    const lines = (await collect(convertElements('ndjson', [tricky, tricky]))).toString().trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([tricky.fields, tricky.fields]);
  });

  it.skipIf(absent)(
    `bare packets are the bytes behind the header; times are found${absent ? ' (no ../shared/samples)' : ''}`,
    async () => {
      const { elements } = await read(readFileSync(join(samples, 'solo_stix_PktTmRaw_10pkt.xml')));
      const packets = await collect(convertElements('packets', elements));
      expect(packets.length).toBe(10 * 109);
      expect(packets.subarray(0, 4).toString('hex')).toBe('0da4c53a');
      expect(elementTime(elements[0]!)).toBe(BigInt(Date.UTC(2020, 11, 1, 0, 0, 45)) * 1_000_000n + 624_224_000n);
      const [row] = (await collect(convertElements('ndjson', elements))).toString().split('\n');
      expect(JSON.parse(row!)).toMatchObject({
        apid: 1444,
        ssc: 1338,
        filingTime: '2020-12-01T00:00:45.624224Z',
        problems: '',
      });
      const { elements: commands } = await read(readFileSync(join(samples, 'solo_stix_PktTcReport_trimmed.xml')));
      expect(Buffer.from(elementPacket(commands[0]!)!).subarray(0, 2).toString('hex')).toBe('1dac');
    },
  );

  it('of a whole file are those of its elements, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(response, fc.integer({ min: 1, max: 5000 }), async ([kind, elements], size) => {
        const file = Buffer.from(await written(kind, elements));
        for (const form of ['packets', 'ndjson', 'csv'] as const) {
          const problems: ResponseProblem[] = [];
          const source = Readable.from(pieces(file, size));
          const found = await collect(convertResponse(form, source, (problem) => problems.push(problem)));
          const { elements: again } = await read(file);
          const expected = await collect(convertElements(form, again));
          if (again.length > 0 || form !== 'csv') expect(found.equals(expected)).toBe(true);
          else expect(found.toString()).toMatch(/^\w+(,\w+)*\r\n$/);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('of a broken file keep what is good and tell what is wrong and where', async () => {
    const good = '<PktRawResponseElement packetID="1"><Packet>0102</Packet></PktRawResponseElement>';
    const file = shell(
      `<PktRawResponse>${good}\n<PktRawResponseElement packetID="2"><Packet>0</Packet></PktRawResponseElement>${good}</Pkt`,
    );
    const problems: string[] = [];
    const rows = await collect(
      convertResponse('ndjson', Readable.from([file]), (one) => problems.push(problemText(one))),
    );
    expect(rows.toString().trimEnd().split('\n')).toHaveLength(2);
    expect(problems).toEqual([
      '2 bytes are no SCOS-2000 record (element 1)',
      expect.stringMatching(/^Packet is not a whole number of hex bytes \(element 2, line 2, character \d+\)$/),
      '2 bytes are no SCOS-2000 record (element 2)',
      expect.stringMatching(/ \(line 2, character \d+\)$/),
    ]);
    expect(await collect(convertResponse('packets', Readable.from([file]), () => undefined))).toHaveLength(0);
  });

  it('a record that is none has no packet and no time, and its row says why', async () => {
    const element: RawElement = { kind: 'raw', packetId: '1', bytes: Uint8Array.of(1, 2) };
    expect([elementPacket(element), elementTime(element)]).toEqual([null, null]);
    expect(JSON.parse((await collect(convertElements('ndjson', [element]))).toString())).toEqual({
      packetId: '1',
      type: null,
      content: '0102',
      problems: '2 bytes are no SCOS-2000 record',
    });
  });
});

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
