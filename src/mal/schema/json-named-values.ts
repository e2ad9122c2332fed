import type { Attribute, AttributeTypeName } from '../types/index.js';
import { attributeText, HEADS } from './attribute-text.js';
import type { TypeDescriptor } from './descriptor.js';
import type { JsonOut } from './json-out.js';

/** A value in one place of the list before, and its text. */
interface Known {
  readonly name: string;
  readonly type: AttributeTypeName;
  /** All in front of the value. */
  readonly head: string;
  /** null where it is not kept. */
  value: unknown;
  /** With the value; null until it comes a second time. */
  text: string | null;
}

/** Places of which the list before is remembered. */
const MOST_PLACES = 64;
const LONGEST = 256;

interface NamedValue {
  readonly name: string;
  readonly value: Attribute | null;
}

/** Whether it is a name with any attribute, as NamedValue is. */
export function isNamedValue(type: TypeDescriptor): boolean {
  if (type.kind !== 'composite' || type.tagged || type.fields.length !== 2) return false;
  const [name, value] = type.fields;
  const named = name?.name === 'name' && name.type.kind === 'attribute' && name.type.name === 'Identifier';
  return named && value?.name === 'value' && value.type.kind === 'any-attribute';
}

/**
 * Lists of named values. Those of neighbours in a listing mostly have the same names and types in the same places, and many the same
 * values: what the list before had in a place is not written anew.
 * @param other writes a named value by itself
 */
export function namedValuesWriter(
  other: (value: NamedValue, out: JsonOut) => void,
): (values: readonly NamedValue[], out: JsonOut) => void {
  const before: Known[] = [];
  return (values, out) => {
    out.text += '[';
    for (let i = 0; i < values.length; i++) {
      if (i > 0) out.text += ',';
      const one = values[i]!;
      const { name, value: attribute } = one;
      const known = before[i];
      if (known !== undefined && attribute !== null && known.name === name && known.type === attribute.type) {
        out.text += next(known, attribute);
        continue;
      }
      const json = attribute && attributeText(attribute.type, attribute.value);
      if (attribute === null || json === null) {
        other(one, out);
        continue;
      }
      const { type, value } = attribute;
      const head = `{"name":${attributeText('Identifier', name)},"value":${HEADS[type]}`;
      out.text += `${head}${json}}}`;
      if (i < MOST_PLACES) before[i] = { name, type, head, value: kept(value), text: null };
    }
    out.text += ']';
  };
}

/** The text of the next value in the same place. */
function next(known: Known, { type, value }: Attribute): string {
  const same = known.value === value;
  if (same && known.text !== null) return known.text;
  const text = `${known.head}${attributeText(type, value)}}}`;
  known.text = same ? text : null;
  known.value = kept(value);
  return text;
}

/** Objects may be changed by whoever made them; long texts are not worth their room. */
const kept = (value: Attribute['value']): unknown =>
  typeof value === 'object' || (typeof value === 'string' && value.length > LONGEST) ? null : value;
