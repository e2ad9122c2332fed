import { badEncoding, MalError } from '../errors.js';
import type { RegisteredType } from '../schema/index.js';
import type { Reader, Writer } from './encoding.js';
import type { Grammar } from './grammar.js';

/** Body of every error message: the number, then the extra information as a nullable element with its full type id. */

/** @param extraType declared type of the extra information; needed unless the error carries it or its value tells */
export function writeError(grammar: Grammar, writer: Writer, error: MalError, extraType: RegisteredType | null): void {
  writer.uinteger(error.number);
  const extra = error.extraInformation;
  const type = extra === null ? null : (error.extraType ?? extraType ?? typeOf(grammar, extra));
  writer.flag(type !== null);
  if (type === null) return;
  writer.typeId(grammar.typeId(grammar.registry.idOf(type)));
  grammar.codec(type).write(writer, extra);
}

export function readError(grammar: Grammar, reader: Reader, name: (number: number) => string): MalError {
  const number = reader.uinteger();
  if (!reader.flag()) return new MalError(number, name(number));
  const id = reader.typeId();
  const extraType = grammar.registry.byId(id);
  if (extraType === undefined) throw badEncoding(`unknown type ${id} in an error`);
  const extraInformation = grammar.codec(extraType).read(reader);
  const text = typeof extraInformation === 'string' ? `: ${extraInformation}` : '';
  return new MalError(number, `${name(number)}${text}`, { extraInformation, extraType });
}

/** Text is a String, bigint a Long, a list of numbers a list of Integer; anything else is left out. */
function typeOf({ registry }: Grammar, extra: unknown): RegisteredType | null {
  const named = (name: string): RegisteredType => registry.byId(registry.objectTypeId(name))!;
  if (typeof extra === 'string') return named('String');
  if (typeof extra === 'bigint') return named('Long');
  if (typeof extra === 'number') return named('Double');
  if (Array.isArray(extra) && extra.every(Number.isInteger)) return { kind: 'list', item: INTEGER };
  return null;
}

const INTEGER = { kind: 'attribute', name: 'Integer', number: 11 } as const;
