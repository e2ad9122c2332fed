import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { InteractionType, type NamedValue } from '../../area.js';
import { ENCODINGS, type Encoding } from '../../encoding/index.js';
import { badEncoding } from '../../errors.js';
import type { MessageHeader } from '../../message.js';
import {
  ATTRIBUTE_TYPES,
  type Attribute,
  floorToMs,
  formatTimeDayOfYear,
  NUMBER_RANGES,
  parseTime,
} from '../../types/index.js';

/** The MAL header as HTTP headers, as ESA's 12.2 has it. Another dialect is another file like this one. */

/** What ESA's stack sends for an empty value. */
const EMPTY = '<![CDATA[EmptyStringPlaceholder]]>';
const CONTENT_TYPE = 'application/mal';

/** Encodings are named by the Java classes that make them. */
const ENCODING_NAMES: readonly (readonly [string, Encoding])[] = [
  ['esa.mo.mal.encoder.binary.fixed.FixedBinaryStreamFactory', ENCODINGS['binary-fixed']],
  ['esa.mo.mal.encoder.binary.variable.VariableBinaryStreamFactory', ENCODINGS['binary-variable']],
  ['esa.mo.mal.encoder.binary.split.SplitBinaryStreamFactory', ENCODINGS['binary-split']],
];

export function encodeHeaders(header: MessageHeader, encoding: Encoding, bodySize: number): OutgoingHttpHeaders {
  return {
    'X-MAL-Authentication-Id': Buffer.from(header.authenticationId).toString('hex') || EMPTY,
    'X-MAL-From': escapeUri(header.from),
    'X-MAL-To': escapeUri(header.to),
    'X-MAL-Version-Number': '2',
    'X-MAL-Timestamp': timestamp(header.timestamp),
    'X-MAL-Interaction-Type': header.interactionType,
    'X-MAL-Interaction-Stage': String(header.interactionStage),
    'X-MAL-Transaction-Id': String(header.transactionId),
    'X-MAL-Service-Area': String(header.area),
    'X-MAL-Service': String(header.service),
    'X-MAL-Operation': String(header.operation),
    'X-MAL-Area-Version': String(header.areaVersion),
    'X-MAL-Is-Error-Message': header.isError ? 'True' : 'False',
    'X-MAL-Supplements': supplementsText(header.supplements) || EMPTY,
    'X-MAL-Encoding': ENCODING_NAMES.find(([, known]) => known === encoding)?.[0] ?? EMPTY,
    'Content-Type': CONTENT_TYPE,
    'Content-Length': bodySize,
  };
}

/** Whether a message's header is in its HTTP headers at all. */
export const hasMalHeaders = (headers: IncomingHttpHeaders): boolean => headers['x-mal-transaction-id'] !== undefined;

/** @throws MalError Bad Encoding naming the header that is missing or wrong */
export function decodeHeaders(headers: IncomingHttpHeaders): MessageHeader {
  const text = (name: string): string => {
    const value = headers[`x-mal-${name}`];
    if (typeof value !== 'string') throw badEncoding(`the header X-MAL-${name} is missing`);
    return value === EMPTY ? '' : value;
  };
  const number = (name: string, bits: number): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) throw badEncoding(`X-MAL-${name}: ${text(name)}`);
    return value;
  };
  const interactionType = text('interaction-type');
  if (!isInteractionType(interactionType)) throw badEncoding(`X-MAL-interaction-type: ${interactionType}`);
  const transaction = text('transaction-id');
  if (!/^-?\d{1,19}$/.test(transaction)) throw badEncoding(`X-MAL-transaction-id: ${transaction}`);
  const stage = headers['x-mal-interaction-stage'];
  return {
    from: plainUri(text('from')),
    to: plainUri(text('to')),
    authenticationId: new Uint8Array(Buffer.from(text('authentication-id'), 'hex')),
    timestamp: time(text('timestamp')),
    interactionType,
    interactionStage: stage === undefined || stage === EMPTY ? 1 : number('interaction-stage', 8),
    transactionId: BigInt.asIntN(64, BigInt(transaction)),
    area: number('service-area', 16),
    service: number('service', 16),
    operation: number('operation', 16),
    areaVersion: number('area-version', 8),
    isError: text('is-error-message').toLowerCase() === 'true',
    supplements: supplementsFrom(text('supplements')),
  };
}

/** The encoding that a message names; null when it names none. @throws MalError Bad Encoding for one that is not known */
export function encodingOf(headers: IncomingHttpHeaders): Encoding | null {
  const name = headers['x-mal-encoding'];
  if (name === undefined || name === EMPTY) return null;
  const known = ENCODING_NAMES.find(([full]) => full === name);
  if (known === undefined) throw badEncoding(`the encoding ${String(name)} is not offered`);
  return known[1];
}

const isInteractionType = (text: string): text is InteractionType => InteractionType.items.has(text as InteractionType);

/** `yyyy-DDDThh:mm:ss.SSS`, UTC. */
function timestamp(ns: bigint): string {
  const text = formatTimeDayOfYear(floorToMs(ns)).slice(0, -1);
  const [seconds, fraction = ''] = text.split('.');
  return `${seconds}.${fraction.padEnd(3, '0')}`;
}

function time(text: string): bigint {
  try {
    return parseTime(text);
  } catch {
    throw badEncoding(`X-MAL-timestamp: ${text}`);
  }
}

/** URIs are URL-encoded as a whole; plain ones are accepted. */
const escapeUri = (uri: string): string => encodeURIComponent(uri.toWellFormed());

function plainUri(text: string): string {
  if (!/^[a-z]+%3A%2F%2F/i.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    throw badEncoding(`not a URI: ${text}`);
  }
}

/** `name=type_value` joined by `&`, both parts URL-encoded; only types with a plain text form. */
const supplementsText = (supplements: readonly NamedValue[]): string =>
  supplements
    .map(({ name, value }) => {
      const text = value === null ? 'null' : `${ATTRIBUTE_TYPES.indexOf(value.type) + 1}_${String(value.value)}`;
      return `${encodeURIComponent(name)}=${encodeURIComponent(text)}`;
    })
    .join('&');

function supplementsFrom(text: string): NamedValue[] {
  if (text === '') return [];
  try {
    return text.split('&').map((part) => {
      const [name = '', value = 'null'] = part.split('=').map(decodeURIComponent);
      return { name, value: value === 'null' ? null : plainAttribute(value) };
    });
  } catch {
    throw badEncoding(`X-MAL-supplements: ${text}`);
  }
}

const NUMBERS: ReadonlySet<string> = new Set(Object.keys(NUMBER_RANGES).concat('Float', 'Double'));

function plainAttribute(text: string): Attribute {
  const split = text.indexOf('_');
  const type = ATTRIBUTE_TYPES[Number(text.slice(0, split)) - 1] ?? 'String';
  const value = text.slice(split + 1);
  if (type === 'Boolean') return { type, value: value === 'true' };
  if (type === 'Long' || type === 'ULong') return { type, value: BigInt(value) };
  if (type === 'Identifier' || type === 'URI') return { type, value };
  return NUMBERS.has(type) ? ({ type, value: Number(value) } as Attribute) : { type: 'String', value };
}
