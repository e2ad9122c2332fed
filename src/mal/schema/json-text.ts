import type { Attribute } from '../types/index.js';
import { attributeText, HEADS } from './attribute-text.js';
import type { BodyDescriptor, FieldDescriptor, TypeDescriptor, ValueOf } from './descriptor.js';
import { encodeJson } from './json.js';
import { isNamedValue, namedValuesWriter } from './json-named-values.js';
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
      return isNamedValue(type.item)
        ? namedValuesWriter(writerOf(type.item) as JsonWriter<object>)
        : listWriter(writerOf(type.item));
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
    key: `${i > 0 ? ',' : tag === null ? head : `${head},`}${JSON.stringify(name)}:`,
    writer: writerOf(type),
  }));
  const end = parts.length === 0 ? `${head}}` : '}';
  return (value: Readonly<Record<string, never>>, out) => {
    for (const { name, key, writer } of parts) {
      const part = value[name] as never;
      out.text += key;
      if (part === null || part === undefined) out.text += 'null';
      else writer(part, out);
    }
    out.text += end;
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
