import { ATTRIBUTE_TYPES, type Attribute, type AttributeTypeName, formatTime, type ObjectRef } from '../types/index.js';
import type { BodyDescriptor, FieldDescriptor, TypeDescriptor, ValueOf } from './descriptor.js';
import { encodeJson } from './json.js';
import { type JsonOut, JsonTextOut, KnownJson } from './json-out.js';

/** Writes the JSON text of a value. */
export type JsonWriter<T> = (value: T, out: JsonOut) => void;

type Writer = JsonWriter<never>;

/**
 * Prepares what `JSON.stringify(encodeJson(type, value))` gives, for many values: without an object between. Texts of composites in
 * `remember` are kept as long as the value they are of, for those that many values share.
 */
export function jsonWriter<T extends TypeDescriptor | BodyDescriptor>(
  type: T,
  remember: readonly TypeDescriptor[] = [],
): JsonWriter<ValueOf<T>> {
  const writers = new Map<object, Writer>();
  const writerOf = (of: TypeDescriptor | BodyDescriptor): Writer => {
    let writer = writers.get(of);
    if (writer === undefined) {
      writer = create(of, writerOf);
      if (remember.includes(of as TypeDescriptor)) writer = remembering(writer as JsonWriter<object>);
      writers.set(of, writer);
    }
    return writer;
  };
  return writerOf(type) as JsonWriter<ValueOf<T>>;
}

/** What a writer writes, as one text. */
export function jsonText<T>(write: JsonWriter<T>, value: T): string {
  const out = new JsonTextOut();
  write(value, out);
  return out.text;
}

function create(
  type: TypeDescriptor | BodyDescriptor,
  writerOf: (type: TypeDescriptor | BodyDescriptor) => Writer,
): Writer {
  if (!('kind' in type)) return fieldsWriter(type.fields, null, writerOf);
  switch (type.kind) {
    case 'attribute': {
      const { name } = type;
      return (value: unknown, out) => {
        out.text += attributeText(name, value) ?? JSON.stringify(encodeJson(type, value as never));
      };
    }
    case 'any-attribute':
      return (attribute: Attribute, out) => {
        const text = attributeText(attribute.type, attribute.value);
        out.text += text === null ? JSON.stringify(encodeJson(type, attribute)) : `${HEADS[attribute.type]}${text}}`;
      };
    case 'list':
      return listWriter(writerOf(type.item));
    case 'composite':
      return fieldsWriter(type.fields, type.tagged ? type.name : null, writerOf);
    default:
      return (value: unknown, out) => {
        out.text += JSON.stringify(encodeJson(type, value as never));
      };
  }
}

function listWriter(item: Writer): Writer {
  return (values: readonly never[], out) => {
    out.text += '[';
    for (let i = 0; i < values.length; i++) {
      if (i > 0) out.text += ',';
      item(values[i]!, out);
    }
    out.text += ']';
  };
}

function fieldsWriter(
  fields: readonly FieldDescriptor[],
  tag: string | null,
  writerOf: (type: TypeDescriptor) => Writer,
): Writer {
  const head = tag === null ? '{' : `{"type":${JSON.stringify(tag)}`;
  const parts = fields.map(({ name, type }, i) => ({
    name,
    key: `${i === 0 && tag === null ? '' : ','}${JSON.stringify(name)}:`,
    writer: writerOf(type),
  }));
  return (value: Readonly<Record<string, never>>, out) => {
    out.text += head;
    for (const { name, key, writer } of parts) {
      const part = value[name] as never;
      out.text += key;
      if (part === null || part === undefined) out.text += 'null';
      else writer(part, out);
    }
    out.text += '}';
  };
}

function remembering(writer: JsonWriter<object>): Writer {
  const texts = new WeakMap<object, KnownJson>();
  return (value: object, out) => {
    let known = texts.get(value);
    if (known === undefined) {
      known = new KnownJson(jsonText(writer, value));
      texts.set(value, known);
    }
    out.known(known);
  };
}

/** How a value with its type begins. */
const HEADS = Object.fromEntries(ATTRIBUTE_TYPES.map((name) => [name, `{"type":"${name}","value":`])) as Readonly<
  Record<AttributeTypeName, string>
>;

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

const identifiers = new Map<string, string>();
const MOST_IDENTIFIERS = 1000;
const LONGEST_KEPT = 64;

/** Names of attributes, mostly: few, and each of them many times. */
function identifierText(identifier: string): string {
  const known = identifiers.get(identifier);
  if (known !== undefined) return known;
  const text = quoted(identifier);
  if (identifier.length > LONGEST_KEPT) return text;
  if (identifiers.size >= MOST_IDENTIFIERS) identifiers.clear();
  identifiers.set(identifier, text);
  return text;
}

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

/** Of the kinds that are common; null = take the long way. */
function attributeText(name: AttributeTypeName, value: unknown): string | null {
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
    case 'ObjectRef': {
      const { domain, type, key, version } = value as ObjectRef;
      return `{"domain":${domainText(domain)},"type":${quoted(type)},"key":${quoted(key)},"version":${version}}`;
    }
    default:
      return null;
  }
}
