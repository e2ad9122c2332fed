import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { XmlError } from '../xml.js';
import { parsePds4Label, readPds4Label } from './label.js';

const root = join(import.meta.dirname, '../../../../shared/datasets/m2020-spice');
const absent = !existsSync(root);

function label(body: string): Buffer {
  return Buffer.from(
    `<?xml version="1.0"?><p:Product_Native xmlns:p="http://pds.nasa.gov/pds4/pds/v1">${body}</p:Product_Native>`,
  );
}
const IDENTITY =
  '<p:Identification_Area><p:logical_identifier>urn:a:b</p:logical_identifier><p:version_id>1.0</p:version_id></p:Identification_Area>';

describe.skipIf(absent)(`labels of Mars 2020 SPICE releases${absent ? ' (no ../shared/datasets)' : ''}`, () => {
  const files = absent ? [] : listXml(root);

  it('reads all 38', async () => {
    expect(files).toHaveLength(38);
    for (const file of files) {
      const read = await readPds4Label(createReadStream(file, { highWaterMark: 97 }));
      expect(read.logicalIdentifier, file).toMatch(/^urn:nasa:pds:mars2020\.spice/);
      expect(read.versionId).toMatch(/^\d+\.\d+$/);
      expect(read.title).not.toBe('');
      expect(read.missions).toContain('Mars 2020 Perseverance Rover Mission');
      expect(read.problems).toEqual([]);
      expect(read.files.length).toBeGreaterThan(0);
      for (const described of read.files) {
        const data = join(dirname(file), described.name);
        if (existsSync(data) && read.productClass === 'Product_SPICE_Kernel')
          expect(described.size, data).toBe(statSync(data).size);
      }
    }
  });

  it('knows every field of a kernel', () => {
    const file = files.find(
      (name) => basename(name) === 'm2020_surf_rover_tlm_0000_0089_v1.xml' && name.includes('release2'),
    )!;
    expect(parsePds4Label(readFileSync(file))).toEqual({
      productClass: 'Product_SPICE_Kernel',
      logicalIdentifier: 'urn:nasa:pds:mars2020.spice_test2:spice_kernels:ck_m2020_surf_rover_tlm_0000_0089_v1.bc',
      versionId: '1.0',
      title: 'm2020_surf_rover_tlm_0000_0089_v1.bc',
      description: expect.stringMatching(/^SPICE CK file containing the orientation of the rover .* version 1\.$/),
      files: [
        {
          name: 'm2020_surf_rover_tlm_0000_0089_v1.bc',
          size: 134144,
          md5: '14ec1264198d2207fa78e29521dacedb',
          created: BigInt(Date.UTC(2021, 7, 20, 11, 52, 1)) * 1_000_000n,
        },
      ],
      startTime: BigInt(Date.UTC(2021, 1, 18, 22, 1, 30, 486)) * 1_000_000n,
      stopTime: BigInt(Date.UTC(2021, 4, 21, 15, 47, 7, 688)) * 1_000_000n,
      kernelTypes: ['CK'],
      missions: ['Mars 2020 Perseverance Rover Mission'],
      targets: ['MARS'],
      observingSystems: ['Mars 2020 Perseverance Rover'],
      problems: [],
    });
  });
});

describe('labels of any origin', () => {
  it('may use a prefix, lack optional fields and be UTF-16', () => {
    const plain = parsePds4Label(label(IDENTITY));
    expect(plain).toMatchObject({
      logicalIdentifier: 'urn:a:b',
      title: '',
      files: [],
      startTime: null,
      description: null,
    });
    const wide = Buffer.from(`\ufeff${label(IDENTITY).toString()}`, 'utf16le');
    expect(parsePds4Label(wide)).toEqual(plain);
    expect(parsePds4Label(Buffer.from(wide).swap16())).toEqual(plain);
  });

  it('say what could not be understood and keep the rest', () => {
    const read = parsePds4Label(
      label(
        `${IDENTITY}<p:File_Area><p:File><p:file_name>a.bin</p:file_name><p:file_size>-4</p:file_size><p:creation_date_time>soon</p:creation_date_time></p:File></p:File_Area>`,
      ),
    );
    expect(read.files).toEqual([{ name: 'a.bin', size: null, md5: null, created: null }]);
    expect(read.problems).toEqual([
      'file_size of a.bin is not a number of bytes',
      'creation_date_time of a.bin is not a time: soon',
    ]);
  });

  it.each([
    ['a DOCTYPE', Buffer.from('<!DOCTYPE x [<!ENTITY a "b">]><x/>'), 'DOCTYPE'],
    ['another root', Buffer.from('<html xmlns="http://pds.nasa.gov/pds4/pds/v1"/>'), 'no PDS4 product'],
    ['another namespace', Buffer.from('<Product_Bundle/>'), 'no PDS4 product'],
    ['no identifier', label(''), 'no logical_identifier'],
    ['an end before the end', label(IDENTITY).subarray(0, 150), 'ends before'],
    ['an unclosed tag', label('<p:a>'), 'tag'],
    ['nothing', Buffer.alloc(0), 'no XML'],
    ['an unknown encoding', Buffer.from('<?xml version="1.0" encoding="EBCDIC-DE"?><x/>'), 'EBCDIC'],
    ['endless nesting', label('<p:a>'.repeat(100)), 'nested'],
  ])('are refused with the position: %s', (_, bytes, reason) => {
    const failure = thrown(() => parsePds4Label(bytes));
    expect(failure).toBeInstanceOf(XmlError);
    expect((failure as XmlError).message).toContain(reason);
    expect((failure as XmlError).line).toBeGreaterThan(0);
  });

  it('are refused beyond the size bound, before the rest is read', async () => {
    let served = 0;
    async function* endless() {
      for (;;) {
        served++;
        yield Buffer.from(served === 1 ? '<Product_Bundle xmlns="http://pds.nasa.gov/pds4/pds/v1">' : 'x'.repeat(1000));
      }
    }
    await expect(readPds4Label(endless(), { maxBytes: 10_000 })).rejects.toThrow('more than 10000 bytes');
    expect(served).toBeLessThan(20);
  });
});

function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

function listXml(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.xml'))
    .map((name) => join(folder, name));
}
