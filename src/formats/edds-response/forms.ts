import { decodeRecord, headerLength, ScosError } from '../scos2000/index.js';
import { parseTime } from '../time.js';
import { PARAM_FIELDS, type ResponseElement, type ResponseProblem, TC_FIELDS } from './elements.js';
import { responseReader } from './reader.js';

/** The other forms in which consumers take a response: bare packets, or the decoded fields as NDJSON or CSV. */
export type OutputForm = 'packets' | 'ndjson' | 'csv';

/** One element as named plain values; times ISO 8601, bytes hex. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** Time the element lies at: filing, execution or sample time; null when it does not tell. */
export function elementTime(element: ResponseElement): bigint | null {
  if (element.kind === 'raw') {
    try {
      return decodeRecord(element.bytes).header.filingTime;
    } catch (error) {
      if (error instanceof ScosError) return null;
      throw error;
    }
  }
  const text = element.kind === 'param' ? element.fields.TimeStampAsciiA : element.fields.ExecutionTime;
  return text === undefined ? null : parseTime(text);
}

/** The space packet of an element: behind the header of a TM record, or the body of a reported command; else null. */
export function elementPacket(element: ResponseElement): Uint8Array | null {
  if (element.kind === 'tc-report') return element.rawBody;
  if (element.kind === 'param') return null;
  try {
    const length = headerLength(element.bytes);
    const isTelemetry = element.bytes[32]! >> 4 === 1;
    return isTelemetry && element.bytes.length > length ? element.bytes.subarray(length) : null;
  } catch (error) {
    if (error instanceof ScosError) return null;
    throw error;
  }
}

export function elementRow(element: ResponseElement): Row {
  if (element.kind === 'raw') return rawRow(element.packetId, element.bytes);
  if (element.kind === 'param') return element.fields;
  const row: Record<string, string> = { ...element.fields };
  for (const custom of element.customFields) row[`custom.${custom.name}`] ??= custom.value;
  row.rawBody = element.rawBody === null ? '' : Buffer.from(element.rawBody).toString('hex');
  return row;
}

const RAW_COLUMNS = [
  'packetId',
  'type',
  'filingTime',
  'creationTime',
  'spacecraftId',
  'groundStation',
  'stream',
  'spid',
  'apid',
  'ssc',
  'service',
  'subservice',
  'quality',
  'content',
  'problems',
] as const;

const COLUMNS: Readonly<Record<ResponseElement['kind'], readonly string[]>> = {
  raw: RAW_COLUMNS,
  'tc-report': [...TC_FIELDS, 'rawBody'],
  param: PARAM_FIELDS,
};

/**
 * Elements in another form, in chunks. `packets` leaves out what holds none. CSV is RFC 4180 with the fixed columns of the
 * kind; NDJSON has every field, and the parameters of commands.
 */
export async function* convertElements(
  form: OutputForm,
  elements: AsyncIterable<ResponseElement> | Iterable<ResponseElement>,
): AsyncGenerator<Uint8Array> {
  const writer = formWriter(form);
  for await (const element of elements) {
    writer.element(element);
    if (writer.held() >= CHUNK) yield writer.take();
  }
  if (writer.held() > 0) yield writer.take();
}

/**
 * A whole response file in another form. What is wrong in it is reported and the good elements are kept; one without elements
 * becomes nothing, or the header line of CSV.
 */
export async function* convertResponse(
  form: OutputForm,
  source: AsyncIterable<Uint8Array>,
  onProblem: (problem: ResponseProblem) => void,
): AsyncGenerator<Uint8Array> {
  const writer = formWriter(form);
  let ordinal = 0;
  const reader = responseReader({
    onProblem,
    onElement(element) {
      ordinal++;
      const reason = recordFault(element);
      if (reason !== null) onProblem({ kind: 'element', reason, position: 0, line: 0, element: ordinal });
      writer.element(element);
    },
  });
  for await (const chunk of source) {
    reader.write(chunk);
    if (writer.held() >= CHUNK) yield writer.take();
  }
  reader.end();
  if (reader.kind !== null) writer.head(reader.kind);
  if (writer.held() > 0) yield writer.take();
}

const CHUNK = 64 * 1024;

/** Why the bytes of an element are no record; null when they are one, or when it has none. */
function recordFault(element: ResponseElement): string | null {
  if (element.kind !== 'raw') return null;
  try {
    headerLength(element.bytes);
    return null;
  } catch (error) {
    if (error instanceof ScosError) return error.message;
    throw error;
  }
}

/** A problem in one line, with its place. */
export const problemText = ({ reason, position, line, element }: ResponseProblem): string =>
  `${reason} (${[element > 0 && `element ${element}`, line > 0 && `line ${line}, character ${position}`].filter(Boolean).join(', ')})`;

interface FormWriter {
  readonly element: (element: ResponseElement) => void;
  /** What comes before the first element, if it is not there yet. */
  head(kind: ResponseElement['kind']): void;
  /** Bytes or characters that wait to be taken. */
  held(): number;
  take(): Uint8Array;
}

function formWriter(form: OutputForm): FormWriter {
  if (form === 'packets') {
    let packets: Uint8Array[] = [];
    let bytes = 0;
    return {
      element(element) {
        const packet = elementPacket(element);
        if (packet === null) return;
        packets.push(packet);
        bytes += packet.length;
      },
      head: () => undefined,
      held: () => bytes,
      take() {
        const all = Buffer.concat(packets, bytes);
        packets = [];
        bytes = 0;
        return all;
      },
    };
  }
  let text = '';
  let columns: readonly string[] | null = null;
  const head = (kind: ResponseElement['kind']): readonly string[] => {
    if (columns !== null) return columns;
    columns = COLUMNS[kind];
    if (form === 'csv') text += `${columns.map(csvValue).join(',')}\r\n`;
    return columns;
  };
  return {
    element(element) {
      const names = head(element.kind);
      const row = elementRow(element);
      text +=
        form === 'csv'
          ? `${names.map((name) => csvValue(row[name])).join(',')}\r\n`
          : `${JSON.stringify(element.kind === 'tc-report' ? { ...row, parameters: element.parameters } : row)}\n`;
    },
    head: (kind) => void head(kind),
    held: () => text.length,
    take() {
      const all = Buffer.from(text);
      text = '';
      return all;
    },
  };
}

function rawRow(packetId: string | null, bytes: Uint8Array): Row {
  const hex = (part: Uint8Array) => Buffer.from(part).toString('hex');
  try {
    const { header, content, problems } = decodeRecord(bytes);
    return {
      packetId,
      type: header.type,
      filingTime: iso(header.filingTime),
      creationTime: iso(header.creationTime),
      spacecraftId: header.spacecraftId,
      groundStation: header.groundStation,
      stream: header.stream,
      spid: header.spid,
      apid: header.apid,
      ssc: header.ssc,
      service: header.service,
      subservice: header.subservice,
      quality: header.quality,
      content: hex(content),
      problems: problems.join('; '),
    };
  } catch (error) {
    if (!(error instanceof ScosError)) throw error;
    return { packetId, type: null, content: hex(bytes), problems: error.message };
  }
}

function iso(time: bigint): string {
  const micros = time / 1000n;
  const whole = new Date(Number(micros / 1_000_000n) * 1000).toISOString().slice(0, 19);
  return `${whole}.${(micros % 1_000_000n).toString().padStart(6, '0')}Z`;
}

function csvValue(value: string | number | boolean | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
