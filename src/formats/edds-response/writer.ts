import { formatMicros, parseTime } from '../time.js';
import {
  PARAM_FIELDS,
  type ParamElement,
  type ResponseElement,
  type ResponseKind,
  TC_FIELDS,
  TC_PARAMETER_FIELDS,
  type TcReportElement,
} from './elements.js';

/**
 * Writes response files as consumers' parsers demand them: prefix `ns2` to the letter, unqualified children, packetID on
 * every packet, exact time suffixes, every list wrapper, hex in lower case (Packet) and upper case (RawBodyData). The
 * layout is that of originals: list elements start in column 0, an end tag is directly followed by the next start tag.
 */
export interface ResponseWriter {
  head(): string;
  /** One element; TypeError when a time of it is none. */
  element(element: ResponseElement): string;
  tail(): string;
}

export interface ResponseWriterOptions {
  /** packetID of the first packet, default 1; each following is one more. `keep`: as the elements have it. */
  readonly firstPacketId?: number | 'keep';
}

const SHELL = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<ns2:ResponsePart xmlns:ns2="http://edds.egos.esa/model">
    <Response>
`;

const WRAPPING: Readonly<Record<ResponseKind, { response: string; list: string | null }>> = {
  raw: { response: 'PktRawResponse', list: null },
  'tc-report': { response: 'PktTcReportResponse', list: 'PktTcReportList' },
  param: { response: 'ParamResponse', list: 'ParamSampleList' },
};

export function responseWriter(kind: ResponseKind, options: ResponseWriterOptions = {}): ResponseWriter {
  const { response, list } = WRAPPING[kind];
  let packetId = options.firstPacketId === 'keep' ? 1 : (options.firstPacketId ?? 1);
  let empty = true;

  const text = (element: ResponseElement): string => {
    if (element.kind !== kind) throw new TypeError(`a ${element.kind} element does not belong into a ${kind} response`);
    if (element.kind === 'tc-report') return command(element);
    if (element.kind === 'param') return sample(element);
    const id = options.firstPacketId === 'keep' ? (element.packetId ?? String(packetId)) : String(packetId);
    packetId++;
    const hex = Buffer.from(element.bytes.buffer, element.bytes.byteOffset, element.bytes.length).toString('hex');
    return `<PktRawResponseElement packetID="${attribute(id)}">\n    <Packet>${hex}</Packet>\n</PktRawResponseElement>`;
  };

  return {
    head: () => `${SHELL}        <${response}>${list === null ? '' : `\n            <${list}>`}`,
    element(element) {
      const before = empty ? '\n' : '';
      empty = false;
      return before + text(element);
    },
    tail() {
      const inner = list === null ? 8 : 12;
      const indent = empty ? '' : ' '.repeat(inner);
      const closing = list === null ? `</${response}>` : `</${list}>\n        </${response}>`;
      return `${indent}${closing}\n    </Response>\n</ns2:ResponsePart>\n`;
    },
  };
}

/** A whole file in chunks of about 64 KiB. */
export async function* writeResponse(
  kind: ResponseKind,
  elements: AsyncIterable<ResponseElement> | Iterable<ResponseElement>,
  options: ResponseWriterOptions = {},
): AsyncGenerator<Uint8Array> {
  const writer = responseWriter(kind, options);
  let held = writer.head();
  for await (const element of elements) {
    held += writer.element(element);
    if (held.length >= 65_536) {
      yield Buffer.from(held);
      held = '';
    }
  }
  yield Buffer.from(held + writer.tail());
}

function command(element: TcReportElement): string {
  const lines = ['<PktTcReportListElement>'];
  const { fields } = element;
  for (const name of ordered(TC_FIELDS, fields)) {
    const value = TC_TIMES.has(name) ? micros(name, fields[name]!, 'Z') : fields[name]!;
    lines.push(`    ${leaf(name, value)}`);
  }
  for (const custom of element.customFields) {
    lines.push('    <CustomField>', `        ${leaf('FieldName', custom.name)}`);
    if (custom.type !== null) lines.push(`        ${leaf('FieldType', custom.type)}`);
    lines.push(`        ${leaf('Value', custom.value)}`, '    </CustomField>');
  }
  if (element.parameters.length === 0) lines.push('    <PktTcReportParameterList/>');
  else {
    lines.push('    <PktTcReportParameterList>');
    for (const parameter of element.parameters) {
      lines.push('        <PktTcReportParameterListElement>');
      for (const name of ordered(TC_PARAMETER_FIELDS, parameter))
        lines.push(`            ${leaf(name, parameter[name]!)}`);
      lines.push('        </PktTcReportParameterListElement>');
    }
    lines.push('    </PktTcReportParameterList>');
  }
  const body = element.rawBody === null ? '' : Buffer.from(element.rawBody).toString('hex').toUpperCase();
  lines.push(`    <RawBodyData>${body}</RawBodyData>`, '</PktTcReportListElement>');
  return lines.join('\n');
}

function sample(element: ParamElement): string {
  const lines = ['<ParamSampleListElement>'];
  for (const name of ordered(PARAM_FIELDS, element.fields)) {
    const value = element.fields[name]!;
    lines.push(`    ${leaf(name, name === 'TimeStampAsciiA' ? micros(name, value) : value)}`);
  }
  lines.push('</ParamSampleListElement>');
  return lines.join('\n');
}

const TC_TIMES: ReadonlySet<string> = new Set(['ReleaseTime', 'UplinkTime', 'ExecutionTime']);

function micros(name: string, value: string, suffix = ''): string {
  if (value === '') return value;
  const time = parseTime(value);
  if (time === null) throw new TypeError(`${name} is not a time: ${value.slice(0, 80)}`);
  return formatMicros(time) + suffix;
}

/** Known names in their order, then the others as they come. */
function ordered(known: readonly string[], fields: Readonly<Record<string, string>>): string[] {
  const names = known.filter((name) => fields[name] !== undefined);
  for (const name of Object.keys(fields)) if (!known.includes(name)) names.push(name);
  return names;
}

function leaf(name: string, value: string): string {
  return `<${name}>${escapeText(value)}</${name}>`;
}

/** Text as XML 1.0 can hold it; characters it cannot hold become U+FFFD. */
export function escapeText(value: string): string {
  return value
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>\r]/g, (character) => ENTITIES[character]!);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };

function attribute(value: string): string {
  return escapeText(value).replace(/"/g, '&quot;');
}
