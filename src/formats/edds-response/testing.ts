import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  type CustomField,
  type ParamElement,
  type RawElement,
  type ResponseElement,
  type ResponseKind,
  type ResponseProblem,
  readResponse,
  TC_FIELDS,
  TC_PARAMETER_FIELDS,
  type TcReportElement,
  writeResponse,
} from './index.js';

/** Real response files, which a user's clone has not. */
export const samples = join(import.meta.dirname, '../../../../shared/samples/edds');
export const absent = !existsSync(samples);

export async function read(
  file: Uint8Array,
  cut = 4096,
): Promise<{ elements: ResponseElement[]; problems: ResponseProblem[] }> {
  const problems: ResponseProblem[] = [];
  const elements: ResponseElement[] = [];
  for await (const element of readResponse(pieces(file, cut), { onProblem: (problem) => problems.push(problem) })) {
    elements.push(element);
  }
  return { elements, problems };
}

export async function written(kind: ResponseKind, elements: readonly ResponseElement[]): Promise<string> {
  return (await collect(writeResponse(kind, elements))).toString();
}

export function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The elements of a response that has no fault. */
export async function elementsOf(content: Uint8Array): Promise<ResponseElement[]> {
  const { elements, problems } = await read(content);
  if (problems.length > 0) throw new Error(problems.map(({ reason }) => reason).join('; '));
  return elements;
}

/** A response file around these elements. */
export const shell = (inner: string) =>
  Buffer.from(
    `<?xml version="1.0"?><q:ResponsePart xmlns:q="http://edds.egos.esa/model"><Response>${inner}</Response></q:ResponsePart>`,
  );

const text = fc
  .string({ unit: 'binary', maxLength: 20 })
  .map((value) => value.replace(/[^\t\n\u0020-\ud7ff\ue000-\ufffd]/g, '').trim());
const micros = fc.bigInt({ min: 0n, max: 2n ** 52n }).map((value) => {
  const whole = new Date(Number(value / 1_000_000n) * 1000).toISOString().slice(0, 19);
  return `${whole}.${(value % 1_000_000n).toString().padStart(6, '0')}`;
});
const raw: fc.Arbitrary<RawElement> = fc.record({
  kind: fc.constant('raw' as const),
  packetId: fc.constant(null),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});
const tcReport: fc.Arbitrary<TcReportElement> = fc.record({
  kind: fc.constant('tc-report' as const),
  fields: fc
    .tuple(fc.dictionary(fc.constantFrom(...TC_FIELDS), text), micros)
    .map(([fields, time]) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, /^[RUE]\w+Time$/.test(name) ? `${time}Z` : value]),
      ),
    ),
  customFields: fc.array(
    fc.record({
      name: fc.constantFrom('uniqueID', 's13ObFileId'),
      type: fc.option(fc.constant('String')),
      value: text,
    }),
    { maxLength: 4 },
  ) as fc.Arbitrary<CustomField[]>,
  parameters: fc.array(fc.dictionary(fc.constantFrom(...TC_PARAMETER_FIELDS), text), { maxLength: 4 }),
  rawBody: fc.option(fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes))),
});
const param: fc.Arbitrary<ParamElement> = fc.record({
  kind: fc.constant('param' as const),
  fields: fc.record({
    Name: text,
    TimeStampAsciiA: micros,
    Unit: text,
    EngineeringValue: text,
    RawValue: text,
    Validity: fc.constant('VALID'),
  }),
});
/** Any response: its kind, and its elements. */
export const response = fc.oneof(
  fc.tuple(fc.constant('raw' as const), fc.array(raw)),
  fc.tuple(fc.constant('tc-report' as const), fc.array(tcReport)),
  fc.tuple(fc.constant('param' as const), fc.array(param)),
) as fc.Arbitrary<[ResponseKind, ResponseElement[]]>;
