import { describe, expect, it } from 'vitest';
import type { ParamElement, RawElement } from './index.js';
import { read, shell } from './testing.js';

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
