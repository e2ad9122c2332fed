import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  elementPacket,
  parseFileName,
  type RawElement,
  readHexPackets,
  type TcReportElement,
} from '../../src/formats/edds-response/index.js';
import { elementsOf } from '../../src/formats/edds-response/testing.js';
import { decodeRecord } from '../../src/formats/scos2000/index.js';
import { crc16Holds, summarise } from '../../src/formats/space-packet/index.js';
import type { EddsSimulator } from './index.js';
import { all, textOf } from './testing.js';
import { ARCHIVE, BEGIN, HOUR, session, simulators, TELEMETRY, TEN_SECONDS } from './testing-session.js';

const samples = join(import.meta.dirname, '../../../shared/samples/edds');
const { close, start } = simulators();
let edds: EddsSimulator;
beforeAll(async () => {
  edds = await start();
});
afterAll(close);

describe('responses', () => {
  it('of MaxElements n have n elements each, packetID runs on, LastPart is on the last only, names are of the grammar', async () => {
    const user = await session(edds);
    const { id } = await user.fetch('batchRequest', `<Name>IX4.DAY2</Name>${TELEMETRY}<MaxElements>40</MaxElements>`);
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
    const hex = await user.fetch('batchRequest', `${TELEMETRY}<Format>HEX</Format><MaxElements>5</MaxElements>`);
    const packets: Uint8Array[] = [];
    for await (const packet of readHexPackets([hex.content], (problem) => expect.fail(problem.reason)))
      packets.push(packet);
    expect([packets.length, hex.last, parseFileName(hex.name)?.extension]).toEqual([100, 'true', 'hex']);
    const zip = await user.fetch('batchRequest', `${TELEMETRY}<Compression>ZIP</Compression>`);
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
      const tm = (await user.fetch('batchRequest', TELEMETRY)).content.toString();
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
