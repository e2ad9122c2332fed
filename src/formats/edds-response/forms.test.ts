import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  convertElements,
  convertResponse,
  elementPacket,
  elementTime,
  type ParamElement,
  problemText,
  type RawElement,
  type ResponseProblem,
} from './index.js';
import { absent, collect, pieces, read, response, samples, shell, written } from './testing.js';

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
