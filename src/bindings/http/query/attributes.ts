import {
  type Attribute,
  type AttributeTypeName,
  attributeTypeName,
  BIGINT_RANGES,
  NUMBER_RANGES,
  parseDuration,
  parseTime,
} from '../../../mal/index.js';
import { type AttributeFilter, invalid, type ProductType } from '../../../mpd/index.js';

/**
 * Reads `attr.NAME=VALUE`: `a` or `a,b` one of, `lo..hi` (an end may be empty) a range, `~regex` a pattern; a leading `!` excludes.
 * `\,` `\!` `\~` `\.` `\\` stand for the sign itself. The value's type is the one the product types declare.
 * @throws MpdError Invalid naming the field: an attribute nobody has, a value that is not of its type
 */
export function parseAttributeFilter(
  name: string,
  text: string,
  types: readonly ProductType[],
  field: string,
): AttributeFilter {
  const type = declaredType(name, types, field);
  const include = !text.startsWith('!');
  const value = include ? text : text.slice(1);
  if (value.startsWith('~')) {
    if (!TEXT.has(type)) throw invalid(field, `a pattern needs a text attribute; ${name} is ${type}`);
    return { type: 'StringPattern', name, include, regex: value.slice(1) };
  }
  const ends = splitPlain(value, '..');
  if (ends.length === 2) {
    if (type === 'Blob' || type === 'Boolean' || type === 'ObjectRef') throw invalid(field, `${type} has no ranges`);
    const [low, high] = ends.map((end) => (end === '' ? null : toAttribute(type, unescaped(end), field)));
    return { type: 'ValueRange', name, include, minimum: low ?? null, maximum: high ?? null };
  }
  if (ends.length > 2) throw invalid(field, 'expected one range lo..hi');
  const values = splitPlain(value, ',').map((part) => toAttribute(type, unescaped(part), field));
  return { type: 'ValueSet', name, include, values };
}

const TEXT: ReadonlySet<AttributeTypeName> = new Set(['String', 'Identifier', 'URI']);

function declaredType(name: string, types: readonly ProductType[], field: string): AttributeTypeName {
  const declared = new Set(
    types.flatMap((type) =>
      (type.attributeDefs ?? []).filter((def) => def.name === name).map((def) => attributeTypeName(def.attributeType)),
    ),
  );
  const [first] = declared;
  if (first === undefined) throw invalid(field, `no product type here has the attribute ${JSON.stringify(name)}`);
  if (new Set([...declared].map(family)).size > 1) {
    throw invalid(field, `${name} is ${[...declared].join(' or ')}; say which by the parameter type`);
  }
  return [...declared].reduce((widest, type) => (WIDTH.indexOf(type) > WIDTH.indexOf(widest) ? type : widest), first);
}

/** Numbers and texts compare across their types: the widest holds what any of them can. */
const WIDTH: readonly AttributeTypeName[] = [
  'UOctet',
  'Octet',
  'UShort',
  'Short',
  'UInteger',
  'Integer',
  'ULong',
  'Long',
  'Float',
  'Double',
]; // prettier-ignore

function family(type: AttributeTypeName): string {
  if (WIDTH.includes(type)) return 'number';
  if (TEXT.has(type)) return 'text';
  return type === 'FineTime' ? 'Time' : type;
}

function toAttribute(type: AttributeTypeName, text: string, field: string): Attribute {
  const bad = (): never => {
    throw invalid(field, `expected ${type}, not ${JSON.stringify(text)}`);
  };
  switch (type) {
    case 'String':
    case 'Identifier':
    case 'URI':
      return { type, value: text };
    case 'Boolean':
      return { type, value: text === 'true' || (text !== 'false' && bad()) };
    case 'Time':
    case 'FineTime':
      return { type, value: attempt(() => parseTime(text), field) };
    case 'Duration':
      return { type, value: attempt(() => parseDuration(text), field) };
    case 'Blob':
    case 'ObjectRef':
      throw invalid(field, `${type} attributes are filtered by products:search`);
    default:
      return toNumber(type, text, bad);
  }
}

type NumberType = Exclude<
  AttributeTypeName,
  'String' | 'Identifier' | 'URI' | 'Boolean' | 'Time' | 'FineTime' | 'Duration' | 'Blob' | 'ObjectRef'
>;

/** A value beyond the declared type is still a number to compare with: it becomes a Long or a Double. */
function toNumber(type: NumberType, text: string, bad: () => never): Attribute {
  if (/^[+-]?\d{1,20}$/.test(text)) {
    const whole = BigInt(text);
    if (type === 'Float' || type === 'Double') return { type: 'Double', value: Number(text) };
    if (type in NUMBER_RANGES) {
      const [low, high] = NUMBER_RANGES[type as keyof typeof NUMBER_RANGES];
      if (whole >= BigInt(low) && whole <= BigInt(high)) return { type, value: Number(whole) } as Attribute;
    }
    for (const wide of ['Long', 'ULong'] as const) {
      if (whole >= BIGINT_RANGES[wide][0] && whole <= BIGINT_RANGES[wide][1]) return { type: wide, value: whole };
    }
  }
  const value = Number(text);
  if (text.trim() === '' || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) || !Number.isFinite(value))
    return bad();
  return { type: 'Double', value };
}

function attempt(parse: () => bigint, field: string): bigint {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw invalid(field, error.message);
    throw error;
  }
}

/** Splits at a separator that is not escaped by a backslash. */
function splitPlain(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < text.length; ) {
    const escaped = text[i] === '\\' && i + 1 < text.length;
    if (!escaped && text.startsWith(separator, i)) {
      parts.push(part);
      part = '';
      i += separator.length;
    } else {
      const length = escaped ? 2 : 1;
      part += text.slice(i, i + length);
      i += length;
    }
  }
  return [...parts, part];
}

const unescaped = (text: string): string => text.replace(/\\(.)/gs, '$1');
