import { XmlError, xmlReader } from '../xml.js';
import type { CustomField, ResponseElement, ResponseKind, ResponseProblem } from './elements.js';

export interface ResponseReaderOptions {
  readonly onElement: (element: ResponseElement) => void;
  readonly onProblem?: (problem: ResponseProblem) => void;
  /** Characters of one element at most; a longer one is left out. Default 1 Mi. */
  readonly maxElement?: number;
}

export interface ResponseReader {
  write(chunk: Uint8Array): void;
  end(): void;
  /** Which response it is, once its wrapper was seen. */
  readonly kind: ResponseKind | null;
  /** False once the XML broke: nothing more is read. */
  readonly readable: boolean;
}

const WRAPPERS: Readonly<Record<string, ResponseKind>> = {
  PktRawResponse: 'raw',
  PktTcReportResponse: 'tc-report',
  ParamResponse: 'param',
};
const ELEMENTS: Readonly<Record<string, ResponseKind>> = {
  PktRawResponseElement: 'raw',
  PktTcReportListElement: 'tc-report',
  ParamSampleListElement: 'param',
};
const MAX_FIELDS = 10_000;

/**
 * Reads a response file as it streams in: any prefix, any layout, hex in either case with white space, missing optional
 * fields, elements without a packet (left out silently). What is wrong is reported with its place and the good elements
 * are kept; the memory used is one element. Nothing throws.
 */
export function responseReader(options: ResponseReaderOptions): ResponseReader {
  const maxElement = options.maxElement ?? 1024 * 1024;
  let kind: ResponseKind | null = null;
  let readable = true;
  let ordinal = 0;
  let depth = 0;
  let elementDepth = 0;
  let inElement: ResponseKind | null = null;
  let size = 0;
  let oversized = false;
  let text = '';
  let packetId: string | null = null;
  let packet: Uint8Array | null = null;
  let fields: Record<string, string> = record();
  let customFields: CustomField[] = [];
  let custom: Record<string, string> = record();
  let parameters: Record<string, string>[] = [];
  let parameter: Record<string, string> = record();
  let rawBody: Uint8Array | null = null;
  const path: string[] = [];

  const report = (
    kindOf: ResponseProblem['kind'],
    reason: string,
    at: { position: number; line: number } = xml,
  ): void =>
    options.onProblem?.({
      kind: kindOf,
      reason,
      position: at.position,
      line: at.line,
      element: inElement ? ordinal : 0,
    });

  const begin = (of: ResponseKind, attributes: Readonly<Record<string, string>>): void => {
    ordinal++;
    inElement = of;
    elementDepth = depth;
    size = 0;
    oversized = false;
    packetId = attributes.packetID ?? null;
    packet = null;
    fields = record();
    customFields = [];
    parameters = [];
    rawBody = null;
  };

  const finish = (): void => {
    if (!oversized) {
      if (inElement === 'raw') {
        if (packet !== null) options.onElement({ kind: 'raw', packetId, bytes: packet });
      } else if (inElement === 'tc-report') {
        options.onElement({ kind: 'tc-report', fields, customFields, parameters, rawBody });
      } else options.onElement({ kind: 'param', fields });
    }
    inElement = null;
  };

  const grow = (by: number): boolean => {
    size += by;
    if (size > maxElement && !oversized) {
      oversized = true;
      text = '';
      report('element', `the element is longer than ${maxElement} characters`);
    }
    return !oversized;
  };

  const rawLeaf = (name: string, value: string): void => {
    if (name !== 'Packet') return;
    packet = fromHex(value);
    if (packet !== null) return;
    const digits = value.replace(/\s+/g, '');
    if (digits === '') return;
    packet = fromHex(digits);
    if (packet === null) report('element', 'Packet is not a whole number of hex bytes');
  };

  const reportLeaf = (name: string, value: string): void => {
    const parent = path.at(-1);
    if (name === 'RawBodyData') {
      const digits = value.replace(/\s+/g, '');
      rawBody = digits === '' ? null : fromHex(digits);
      if (digits !== '' && rawBody === null) report('field', 'RawBodyData is not a whole number of hex bytes');
    } else if (parent === 'CustomField') custom[name] ??= value;
    else if (parent === 'PktTcReportParameterListElement') parameter[name] ??= value;
    else if (name === 'CustomField') {
      if (custom.FieldName === undefined) report('field', 'a CustomField without FieldName');
      else customFields.push({ name: custom.FieldName, type: custom.FieldType ?? null, value: custom.Value ?? '' });
      custom = record();
    } else if (name === 'PktTcReportParameterListElement') {
      parameters.push(parameter);
      parameter = record();
    } else if (path.length === elementDepth && name !== 'PktTcReportParameterList') fields[name] ??= value;
  };

  const xml = xmlReader(
    {
      open(name, _, attributes) {
        depth++;
        path.push(name);
        kind ??= WRAPPERS[name] ?? null;
        const of = ELEMENTS[name];
        if (of !== undefined && inElement === null) {
          kind ??= of;
          begin(of, attributes);
        } else if (inElement !== null) grow(name.length);
        text = '';
      },
      text(part) {
        if (inElement !== null && grow(part.length)) text += part;
      },
      close(name) {
        path.pop();
        if (inElement !== null) {
          if (depth === elementDepth) finish();
          else if (!oversized) {
            if (parameters.length + customFields.length >= MAX_FIELDS) grow(maxElement);
            if (inElement === 'raw') rawLeaf(name, text);
            else if (inElement === 'tc-report') reportLeaf(name, text.trim());
            else if (path.length === elementDepth) fields[name] ??= text.trim();
          }
        }
        depth--;
        text = '';
      },
      plain: { name: 'Packet', isOpen: () => inElement === 'raw' && path.at(-1) === 'Packet' },
    },
    { namespaces: false },
  );

  const guarded = (action: () => void): void => {
    if (!readable) return;
    try {
      action();
    } catch (error) {
      if (!(error instanceof XmlError)) throw error;
      readable = false;
      inElement = null;
      report('xml', error.reason, error);
    }
  };

  return {
    write: (chunk) => guarded(() => xml.write(chunk)),
    end: () =>
      guarded(() => {
        xml.end();
        if (kind === null)
          report('xml', 'the document holds none of PktRawResponse, PktTcReportResponse, ParamResponse');
      }),
    get kind() {
      return kind;
    },
    get readable() {
      return readable;
    },
  };
}

/** The elements of a response file that streams in. */
export async function* readResponse(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: Omit<ResponseReaderOptions, 'onElement'> = {},
): AsyncGenerator<ResponseElement> {
  let ready: ResponseElement[] = [];
  const reader = responseReader({ ...options, onElement: (element) => ready.push(element) });
  for await (const chunk of source) {
    reader.write(chunk);
    yield* ready;
    ready = [];
    if (!reader.readable) return;
  }
  reader.end();
  yield* ready;
}

/** Names come from the file, so there is no prototype for them to meet. */
function record(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function fromHex(digits: string): Uint8Array | null {
  if (digits.length % 2 !== 0 || digits === '') return null;
  const bytes = Buffer.from(digits, 'hex');
  return bytes.length * 2 === digits.length ? bytes : null;
}
