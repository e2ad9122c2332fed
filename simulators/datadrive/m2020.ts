import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Pds4Label, parsePds4Label } from '../../src/formats/pds4/index.js';
import type { ObjectTypeDefinition, PackageDefinition, PropertySchema } from './options.js';

const string: PropertySchema = { type: 'string' };
const time: PropertySchema = { type: 'string', format: 'date-time' };
const range: PropertySchema = { type: 'object', required: ['gte', 'lte'], properties: { gte: time, lte: time } };
const common = { lid: string, product_version: { type: 'integer', minimum: 1 }, mission: string, description: string };

/** Packages of the m2020 SPICE data (spec §11.4). */
export const m2020Packages: readonly PackageDefinition[] = [
  {
    package_id: '5b8d2a4e-6c1f-4b57-9a3d-0d6f3b1c2020',
    name: 'm2020-spice',
    description: 'Mars 2020 SPICE archive, congruent paths',
    s3Bucket: 'm2020-spice',
    congruentPaths: true,
  },
  {
    package_id: '7e1c9f02-3d4a-4c8b-8f6e-5a9d7e3c2021',
    name: 'm2020-spice-nc',
    description: 'Mars 2020 SPICE archive, non-congruent paths',
    s3Bucket: 'm2020-spice-nc',
    congruentPaths: false,
  },
];

/** Object types of the m2020 SPICE data. `label_time` is a time as text, as some real types have it. */
export const m2020ObjectTypes: readonly ObjectTypeDefinition[] = [
  {
    name: 'm2020-spice-kernel',
    description: 'A SPICE kernel of Mars 2020',
    schema: {
      type: 'object',
      required: ['kernel_type'],
      properties: {
        ...common,
        kernel_type: { type: 'string', enum: ['CK', 'SPK', 'SCLK', 'FK', 'IK', 'LSK', 'PCK', 'MK'] },
        md5: { type: 'string', pattern: '^[0-9a-f]{32}$' },
        label_time: string,
        coverage: range,
      },
    } as PropertySchema,
  },
  {
    name: 'm2020-spice-label',
    description: 'The PDS4 label of a kernel',
    schema: {
      type: 'object',
      required: ['describes'],
      properties: { ...common, describes: string, label_time: string },
    } as PropertySchema,
  },
  {
    name: 'm2020-spice-inventory',
    description: 'Bundle and collection labels, inventories and the readme',
    schema: { type: 'object', properties: { ...common, md5: string, label_time: string } } as PropertySchema,
  },
];

export interface DatasetFile {
  readonly fullName: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const kernelFolders: Readonly<Record<string, readonly [folder: string, kind: string]>> = {
  bc: ['ck', 'CK'],
  tsc: ['sclk', 'SCLK'],
  tm: ['mk', 'MK'],
};

/** The files of one release folder with places, types and metadata from their PDS4 labels. */
export function readRelease(folder: string): readonly DatasetFile[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => ({ name: entry.name, body: readFileSync(join(entry.parentPath, entry.name)) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const labels = new Map(
    files
      .filter(({ name }) => name.endsWith('.xml'))
      .map(({ name, body }) => [name.slice(0, -4), parsePds4Label(body)]),
  );
  const kernels = new Map(
    files.flatMap(({ name }) => {
      const kernel = kernelFolders[extension(name)];
      return kernel ? [[stem(name), `/spice/${kernel[0]}/${name}`] as const] : [];
    }),
  );
  return files.map(({ name, body }) => {
    const label = labels.get(stem(name));
    const kernel = kernels.get(stem(name));
    const metadata = label ? labelFields(name, label) : {};
    const kind = kernelFolders[extension(name)];
    if (kind) {
      const type = 'm2020-spice-kernel';
      const fields = { ...metadata, kernel_type: kind[1], ...(label?.files[0]?.md5 && { md5: label.files[0].md5 }) };
      return { fullName: kernel ?? '', type, body, metadata: fields };
    }
    if (kernel) {
      const { coverage: _, ...fields } = metadata;
      const fullName = kernel.slice(0, kernel.lastIndexOf('/') + 1) + name;
      return { fullName, type: 'm2020-spice-label', body, metadata: { ...fields, describes: kernel } };
    }
    const { coverage: _, ...fields } = metadata;
    const md5 = inventoryMd5(name, labels);
    return {
      fullName: `/spice/${name}`,
      type: 'm2020-spice-inventory',
      body,
      metadata: { ...fields, ...(md5 && { md5 }) },
    };
  });
}

/** Any other folder: every file below it as the first of the given types, without metadata. */
export function readFolder(folder: string, type: string): readonly DatasetFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { fullName: path.slice(folder.replace(/\/$/, '').length), type, body: readFileSync(path), metadata: {} };
    })
    .sort((a, b) => (a.fullName < b.fullName ? -1 : 1));
}

const extension = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
const stem = (name: string): string => name.slice(0, name.lastIndexOf('.'));

function labelFields(name: string, label: Pds4Label): Readonly<Record<string, unknown>> {
  const version = /_v0*(\d+)\.[a-z]+$/.exec(name)?.[1] ?? label.versionId.split('.')[0];
  const created = label.files[0]?.created;
  return {
    lid: label.logicalIdentifier,
    product_version: Number(version),
    mission: 'mars2020',
    ...(label.description && { description: label.description.replace(/\s+/g, ' ') }),
    ...(created && { label_time: iso(created) }),
    ...(label.startTime && label.stopTime && { coverage: { gte: iso(label.startTime), lte: iso(label.stopTime) } }),
  };
}

const iso = (nanoseconds: bigint): string => new Date(Number(nanoseconds / 1_000_000n)).toISOString();

/** The md5 that the label of a collection claims for its inventory table. */
function inventoryMd5(name: string, labels: ReadonlyMap<string, Pds4Label>): string | undefined {
  for (const label of labels.values())
    for (const file of label.files) if (file.name === name) return file.md5 ?? undefined;
  return undefined;
}

/** Files with hard names, for the switch `oddNames`. */
export const oddNames: readonly string[] = [
  '/odd/with space.txt',
  '/odd/hash#tag.txt',
  '/odd/what?.txt',
  '/odd/100%.txt',
  '/odd/a+b.txt',
  '/odd/Zürich 漢字.txt',
  '/odd/back\\slash.txt',
];
