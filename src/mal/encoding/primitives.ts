import { badEncoding } from '../errors.js';
import type { EnumerationDescriptor } from '../schema/index.js';
import type { Codec, Reader, Writer } from './encoding.js';

const primitive = <V>(
  minimum: number,
  write: (writer: Writer, value: V) => void,
  read: (reader: Reader) => V,
): Codec<V> => ({ write, read, minimum });

const text = primitive<string>(1, writeText, (reader) => reader.text());

function writeText(writer: Writer, value: string): void {
  if (typeof value !== 'string') throw badEncoding('expected text');
  writer.text(value);
}

/** A Time that rounds up to a whole millisecond. */
export const timeRoundedUp = primitive<bigint>(
  6,
  (writer, value) => writer.time(value, true),
  (reader) => reader.time(),
);

/** The attribute types that one primitive carries: all but ObjectRef. */
export const primitives = {
  Blob: primitive<Uint8Array>(
    1,
    (writer, value) => writer.blob(value),
    (reader) => reader.blob(),
  ),
  Boolean: primitive<boolean>(
    0,
    (writer, value) => writer.flag(value),
    (reader) => reader.flag(),
  ),
  Duration: primitive<bigint>(
    1,
    (writer, value) => writer.duration(value),
    (reader) => reader.duration(),
  ),
  Float: primitive<number>(
    1,
    (writer, value) => writer.float(value),
    (reader) => reader.float(),
  ),
  Double: primitive<number>(
    1,
    (writer, value) => writer.double(value),
    (reader) => reader.double(),
  ),
  Identifier: text,
  Octet: primitive<number>(
    1,
    (writer, value) => writer.octet(value),
    (reader) => reader.octet(),
  ),
  UOctet: primitive<number>(
    1,
    (writer, value) => writer.uoctet(value),
    (reader) => reader.uoctet(),
  ),
  Short: primitive<number>(
    1,
    (writer, value) => writer.short(value),
    (reader) => reader.short(),
  ),
  UShort: primitive<number>(
    1,
    (writer, value) => writer.ushort(value),
    (reader) => reader.ushort(),
  ),
  Integer: primitive<number>(
    1,
    (writer, value) => writer.integer(value),
    (reader) => reader.integer(),
  ),
  UInteger: primitive<number>(
    1,
    (writer, value) => writer.uinteger(value),
    (reader) => reader.uinteger(),
  ),
  Long: primitive<bigint>(
    1,
    (writer, value) => writer.long(value),
    (reader) => reader.long(),
  ),
  ULong: primitive<bigint>(
    1,
    (writer, value) => writer.ulong(value),
    (reader) => reader.ulong(),
  ),
  String: text,
  Time: primitive<bigint>(
    6,
    (writer, value) => writer.time(value, false),
    (reader) => reader.time(),
  ),
  FineTime: primitive<bigint>(
    10,
    (writer, value) => writer.fineTime(value),
    (reader) => reader.fineTime(),
  ),
  URI: text,
};

/** The item's value in one octet, two from 256 items on. */
export function enumeration(type: EnumerationDescriptor): Codec<string> {
  const { items } = type;
  const names = new Map([...items].map(([name, value]) => [value, name]));
  const wide = items.size >= 256;
  return {
    write(writer, name) {
      const value = items.get(name);
      if (value === undefined) throw badEncoding(`${name} is no ${type.name}`);
      if (wide) writer.ushort(value);
      else writer.uoctet(value);
    },
    read(reader) {
      const value = wide ? reader.ushort() : reader.uoctet();
      const name = names.get(value);
      if (name === undefined) throw badEncoding(`${type.name} has no item ${value}`);
      return name;
    },
    minimum: 1,
  };
}
