import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ResponseProblem, readResponse } from './index.js';
import { read, response, shell, written } from './testing.js';

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
