import { memo } from '../memo.js';
import { ATTRIBUTE_TYPES, type AttributeTypeName, formatTime, type ObjectRef } from '../types/index.js';

/** How a value with its type begins. */
export const HEADS = Object.fromEntries(
  ATTRIBUTE_TYPES.map((name) => [name, `{"type":"${name}","value":`]),
) as Readonly<Record<AttributeTypeName, string>>;

const LEAST_SAFE = BigInt(Number.MIN_SAFE_INTEGER);
const MOST_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

let lastTime = 0n;
let lastText = `"${formatTime(0n)}"`;

/** Neighbouring fields often name the same time. */
function timeText(ns: bigint): string {
  if (ns !== lastTime) {
    lastText = `"${formatTime(ns)}"`;
    lastTime = ns;
  }
  return lastText;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON escapes them
const SPECIAL = /["\\\u0000-\u001f\ud800-\udfff]/;

/** A text in quotes; most hold nothing that needs another look. */
export const quoted = (text: string): string => (SPECIAL.test(text) ? JSON.stringify(text) : `"${text}"`);

const LONGEST_KEPT = 64;
const knownText = memo(1000, quoted);

/** Names of attributes, mostly: few, and each of them many times. */
const identifierText = (identifier: string): string =>
  identifier.length > LONGEST_KEPT ? quoted(identifier) : knownText(identifier);

let lastDomain: readonly string[] = [];
let lastDomainText = '[]';

/** Products of one backend often share the very list. */
function domainText(domain: readonly string[]): string {
  if (domain !== lastDomain) {
    lastDomainText = JSON.stringify(domain);
    lastDomain = domain;
  }
  return lastDomainText;
}

/** JSON of the kinds that are common; null = take the long way. */
export function attributeText(name: AttributeTypeName, value: unknown): string | null {
  switch (name) {
    case 'Identifier':
      return identifierText(value as string);
    case 'String':
    case 'URI':
      return quoted(value as string);
    case 'Time':
    case 'FineTime':
      return timeText(value as bigint);
    case 'Long':
    case 'ULong': {
      const whole = value as bigint;
      return whole >= LEAST_SAFE && whole <= MOST_SAFE ? String(whole) : `"${whole}"`;
    }
    case 'Boolean':
    case 'Octet':
    case 'UOctet':
    case 'Short':
    case 'UShort':
    case 'Integer':
    case 'UInteger':
      return String(value);
    case 'Blob': {
      const { buffer, byteOffset, byteLength } = value as Uint8Array;
      return `"${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}"`;
    }
    case 'ObjectRef': {
      const { domain, type, key, version } = value as ObjectRef;
      return `{"domain":${domainText(domain)},"type":${quoted(type)},"key":${quoted(key)},"version":${version}}`;
    }
    default:
      return null;
  }
}
