import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RawElement, type TcReportElement, writeResponse } from './index.js';
import { absent, collect, read, response, samples, written } from './testing.js';

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
