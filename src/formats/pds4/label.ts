import { parseTime } from '../time.js';
import { XmlError, xmlReader } from '../xml.js';

/** One file that a label describes. */
export interface Pds4File {
  readonly name: string;
  /** Bytes. */
  readonly size: number | null;
  /** Lower-case hex, as the label claims it. */
  readonly md5: string | null;
  /** Nanoseconds since 1970 UTC. */
  readonly created: bigint | null;
}

export interface Pds4Label {
  /** Name of the root element, e.g. `Product_SPICE_Kernel`. */
  readonly productClass: string;
  readonly logicalIdentifier: string;
  readonly versionId: string;
  readonly title: string;
  /** Of the citation, else of the first described object. */
  readonly description: string | null;
  readonly files: readonly Pds4File[];
  /** Observed or covered time, nanoseconds since 1970 UTC. */
  readonly startTime: bigint | null;
  readonly stopTime: bigint | null;
  readonly kernelTypes: readonly string[];
  readonly missions: readonly string[];
  readonly targets: readonly string[];
  readonly observingSystems: readonly string[];
  /** Things that were read past: values that cannot be understood. */
  readonly problems: readonly string[];
}

export interface Pds4Bounds {
  /** Default 4 MiB. */
  readonly maxBytes?: number;
}

/** Nothing in a label that is used here is longer. */
const MAX_TEXT = 65_536;
const NAMESPACE = 'http://pds.nasa.gov/pds4/pds/';

/** Reads a PDS4 label. XmlError where it is not well-formed, too large, has a DOCTYPE or is no PDS4 product. */
export async function readPds4Label(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bounds: Pds4Bounds = {},
): Promise<Pds4Label> {
  const reader = labelReader(bounds);
  for await (const chunk of source) reader.write(chunk);
  return reader.end();
}

/** The same for a label in memory. */
export function parsePds4Label(bytes: Uint8Array, bounds: Pds4Bounds = {}): Pds4Label {
  const reader = labelReader(bounds);
  reader.write(bytes);
  return reader.end();
}

function labelReader(bounds: Pds4Bounds) {
  const path: string[] = [];
  const problems: string[] = [];
  const values = new Map<string, string[]>();
  const files: Pds4File[] = [];
  let file: Record<string, string> = {};
  let citation: string | null = null;
  let described: string | null = null;
  let productClass = '';
  let text = '';

  const add = (key: string, value: string): void => {
    const list = values.get(key) ?? [];
    if (!list.includes(value)) list.push(value);
    values.set(key, list);
  };
  const first = (key: string): string | null => values.get(key)?.[0] ?? null;
  const time = (name: string, value: string | null | undefined): bigint | null => {
    if (value === null || value === undefined || value === '') return null;
    const parsed = parseTime(value);
    if (parsed === null) problems.push(`${name} is not a time: ${value.slice(0, 80)}`);
    return parsed;
  };

  const leaf = (name: string, parent: string, value: string): void => {
    if (value === '') return;
    if (parent === 'Identification_Area' && IDENTIFICATION.has(name)) add(name, value);
    else if (name === 'name' && NAMED.has(parent)) add(parent, value);
    else if (parent === 'File' && FILE_FIELDS.has(name)) file[name] = value;
    else if (name === 'start_date_time' || name === 'stop_date_time' || name === 'kernel_type') add(name, value);
    else if (name === 'description') {
      if (parent === 'Citation_Information') citation ??= value;
      else if (path.some((element) => element.startsWith('File_Area') || COLLECTIONS.has(element))) described ??= value;
    }
  };

  const closeFile = (): void => {
    const { file_name: name, file_size: size, md5_checksum: md5, creation_date_time: created } = file;
    if (name === undefined) problems.push('a File without file_name');
    else {
      if (size !== undefined && !/^\d{1,15}$/.test(size))
        problems.push(`file_size of ${name} is not a number of bytes`);
      if (md5 !== undefined && !/^[0-9a-f]{32}$/i.test(md5))
        problems.push(`md5_checksum of ${name} is not 32 hex digits`);
      files.push({
        name,
        size: size !== undefined && /^\d{1,15}$/.test(size) ? Number(size) : null,
        md5: md5 !== undefined && /^[0-9a-f]{32}$/i.test(md5) ? md5.toLowerCase() : null,
        created: time(`creation_date_time of ${name}`, created),
      });
    }
    file = {};
  };

  const xml = xmlReader(
    {
      open(name, namespace) {
        if (path.length === 0) {
          if (!name.startsWith('Product_') || !namespace.startsWith(NAMESPACE)) {
            throw xml.fail(`<${name}> is no PDS4 product`);
          }
          productClass = name;
        }
        path.push(name);
        text = '';
      },
      text(part) {
        if (text.length < MAX_TEXT) text += part;
      },
      close(name) {
        path.pop();
        leaf(name, path.at(-1) ?? '', text.trim().replace(/\s+/g, ' '));
        if (name === 'File') closeFile();
        text = '';
      },
    },
    { maxBytes: bounds.maxBytes ?? 4 * 1024 * 1024 },
  );

  return {
    write: xml.write,
    end(): Pds4Label {
      xml.end();
      const required = (name: string): string => {
        const value = first(name);
        if (value === null) throw new XmlError(`the label has no ${name}`, xml.line, 1, xml.position);
        return value;
      };
      return {
        productClass,
        logicalIdentifier: required('logical_identifier'),
        versionId: required('version_id'),
        title: first('title') ?? '',
        description: citation ?? described,
        files,
        startTime: time('start_date_time', first('start_date_time')),
        stopTime: time('stop_date_time', first('stop_date_time')),
        kernelTypes: values.get('kernel_type') ?? [],
        missions: values.get('Investigation_Area') ?? [],
        targets: values.get('Target_Identification') ?? [],
        observingSystems: values.get('Observing_System_Component') ?? [],
        problems,
      };
    },
  };
}

const IDENTIFICATION: ReadonlySet<string> = new Set(['logical_identifier', 'version_id', 'title']);
const NAMED: ReadonlySet<string> = new Set([
  'Investigation_Area',
  'Target_Identification',
  'Observing_System_Component',
]);
const FILE_FIELDS: ReadonlySet<string> = new Set(['file_name', 'file_size', 'md5_checksum', 'creation_date_time']);
const COLLECTIONS: ReadonlySet<string> = new Set(['Collection', 'Bundle']);
