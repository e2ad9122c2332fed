import { decodeRecord, headerLength, ScosError } from '../scos2000/index.js';
import { parseTime } from '../time.js';
import { PARAM_FIELDS, type ResponseElement, TC_FIELDS } from './elements.js';

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
  if (form === 'packets') {
    for await (const element of elements) {
      const packet = elementPacket(element);
      if (packet !== null) yield packet;
    }
    return;
  }
  let held = '';
  let columns: readonly string[] | null = null;
  for await (const element of elements) {
    const row = elementRow(element);
    if (form === 'ndjson') {
      held += `${JSON.stringify(element.kind === 'tc-report' ? { ...row, parameters: element.parameters } : row)}\n`;
    } else {
      if (columns === null) {
        columns = COLUMNS[element.kind];
        held += `${columns.map(csvValue).join(',')}\r\n`;
      }
      held += `${columns.map((name) => csvValue(row[name])).join(',')}\r\n`;
    }
    if (held.length >= 65_536) {
      yield Buffer.from(held);
      held = '';
    }
  }
  if (held.length > 0) yield Buffer.from(held);
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
